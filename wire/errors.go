package wire

// Error is a violation of the protocol. Every one of them ends the connection.
type Error struct {
	// Reply is the text to send in -ERR, or empty if the connection is to be closed without a
	// word: that is what nats-server does for arguments it cannot read, and client libraries take
	// any text that they do not know for a reason never to reconnect.
	Reply string
	// Reason says what is wrong, for the log.
	Reason string
}

func (e *Error) Error() string {
	if e.Reason == "" {
		return e.Reply
	}
	return e.Reason
}

// Texts of -ERR. Client libraries compare them, so they are historic, mixed capitals included.
const (
	TextUnknownOp             = "Unknown Protocol Operation"
	TextControlLine           = "maximum control line exceeded"
	TextMaxPayload            = "Maximum Payload Violation"
	TextInvalidClientProtocol = "invalid client protocol"
	TextNoRespondersHeaders   = "no responders requires headers support"
	TextAuthorization         = "Authorization Violation"
	TextAuthTimeout           = "Authentication Timeout"
	TextThrottled             = "Connection throttling is active. Please try again later."
	TextMaxConnections        = "maximum connections exceeded"
	TextMaxAccountConnections = "maximum account active connections exceeded"
	TextMaxSubscriptions      = "maximum subscriptions exceeded"
	TextInvalidSubject        = "Invalid Subject"
	TextInvalidPublishSubject = "Invalid Publish Subject"
	TextStale                 = "Stale Connection"
	TextWrongPort             = "attempted to connect to route port"
	TextWrongCluster          = "Rejecting connection, cluster name "
	TextWrongGateway          = "Rejecting connection from gateway "
	TextPermissionPublish     = "Permissions Violation for Publish to "
	TextPermissionReply       = "Permissions Violation for Publish with Reply of "
	TextPermissionSubscribe   = "Permissions Violation for Subscription to "
)

var (
	errUnknownOp   = &Error{Reply: TextUnknownOp, Reason: "unknown protocol operation"}
	errTerminator  = &Error{Reply: TextUnknownOp, Reason: "payload not followed by CRLF"}
	errControlLine = &Error{Reply: TextControlLine}
	errMaxPayload  = &Error{Reply: TextMaxPayload}
)
