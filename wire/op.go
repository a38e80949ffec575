package wire

// Verb is the kind of a protocol operation.
type Verb uint8

// The verbs, with the directions in which they travel. C is a client, S its server, R another
// server of the cluster.
const (
	// None is the zero Verb; no operation carries it.
	None Verb = iota
	// Ping asks for a Pong. Both ways, C and R.
	Ping
	// Pong answers a Ping. Both ways, C and R.
	Pong
	// OK acknowledges an operation in verbose mode. S to C; accepted and ignored from C and R.
	OK
	// Err reports an error, after which the sender usually closes. Both ways, C and R.
	Err
	// Info describes the sending server. S to C, both ways with R.
	Info
	// Connect introduces the sender. C to S, both ways with R.
	Connect
	// Pub publishes a message. C to S.
	Pub
	// HPub publishes a message with headers. C to S.
	HPub
	// Sub subscribes. C to S.
	Sub
	// Unsub ends a subscription, at once or after a number of messages. C to S.
	Unsub
	// Msg delivers a message. S to C.
	Msg
	// HMsg delivers a message with headers. S to C.
	HMsg
	// RSub announces interest in a subject. R.
	RSub
	// RUnsub withdraws interest in a subject. R.
	RUnsub
	// LSub announces interest that comes from a leaf node. R.
	LSub
	// LUnsub withdraws interest that came from a leaf node. R.
	LUnsub
	// RMsg routes a message. R.
	RMsg
	// RHMsg routes a message with headers. On the wire its verb is HMSG, like HMsg. R.
	RHMsg
	// LMsg routes a message that came from a leaf node. R.
	LMsg
	// Account is gateway traffic (A+, A-) that routes carry but nobody reads. R.
	Account
	numVerbs
)

var verbNames = [numVerbs]string{
	Ping: "PING", Pong: "PONG", OK: "+OK", Err: "-ERR", Info: "INFO", Connect: "CONNECT",
	Pub: "PUB", HPub: "HPUB", Sub: "SUB", Unsub: "UNSUB", Msg: "MSG", HMsg: "HMSG",
	RSub: "RS+", RUnsub: "RS-", LSub: "LS+", LUnsub: "LS-",
	RMsg: "RMSG", RHMsg: "HMSG", LMsg: "LMSG", Account: "A",
}

// String returns the verb as it is written on the wire.
func (v Verb) String() string { return verbNames[v] }

// Op is one operation. Its slices point into the buffer that was parsed and are valid as long as
// that buffer is; fields that the verb does not use are nil or zero.
type Op struct {
	Verb Verb
	// Arg is what follows the verb of Info and Connect (JSON) and of Err (text), and the whole
	// argument part of the line for every other verb that has one.
	Arg []byte

	// Origin is the leaf-node cluster that interest or a message of LSub, LUnsub, LMsg comes from.
	Origin []byte
	// Account is the account of a route operation.
	Account []byte
	// Subject is the subject of a message or a subscription.
	Subject []byte
	// Reply is the reply subject of a message, empty if it has none.
	Reply []byte
	// SID is the subscription ID of Sub, Unsub, Msg and HMsg.
	SID []byte
	// Queue is the queue group of Sub and of the interest verbs.
	Queue []byte
	// Queues are the queue groups that the sender of a routed message has chosen. Unlike those
	// that it lists, this slice itself is valid only until the next call of [Parser.Next].
	Queues [][]byte
	// Max is the message limit of Unsub, 0 meaning at once, and the weight of a queue group in
	// RSub and LSub, 1 or more.
	Max int

	// SizeText is the size of a message as it was written, leading zeros included.
	SizeText []byte
	// HeaderText is HeaderLen as it was written.
	HeaderText []byte
	// HeaderLen is the length in bytes of the header block at the start of Payload.
	HeaderLen int
	// Payload is the header block and the body of a message.
	Payload []byte
	// Tail is everything behind the subject (in Msg and HMsg, behind SID) and the blank after it,
	// up to and including the CRLF that ends the payload. It is set only for a message whose
	// arguments are written canonically (single blanks, CRLF) and have no mark of queue groups, so
	// that it can follow another prefix as it stands. If Reply is set, Tail begins with it.
	Tail []byte
}

// HasHeaders reports whether the verb is one whose message carries a header block.
func (o *Op) HasHeaders() bool {
	switch o.Verb {
	case HPub, HMsg, RHMsg, LMsg:
		return true
	}
	return false
}
