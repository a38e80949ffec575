package wire_test

import "shoal/wire"

// serverTranscripts are what a client reads.
var serverTranscripts = []transcript{
	{name: "greeting", p: server, in: "INFO {\"server_id\":\"X\",\"port\":4222} \r\nPONG\r\n+OK\r\nPING\r\n",
		ops: list(`INFO arg="{\"server_id\":\"X\",\"port\":4222}"`, `PONG`, `+OK`, `PING`)},
	{name: "-ERR from server", p: server, in: "-ERR 'Stale Connection'\r\n", ops: list(`-ERR arg="'Stale Connection'"`)},
	{name: "MSG", p: server, in: "MSG a 1 2\r\nhi\r\n", ops: list(`MSG subj="a" sid="1" size="2" pay="hi" tail="2\r\nhi\r\n"`)},
	{name: "MSG with reply", p: server, in: "MSG a 1 r 0002\r\nhi\r\n",
		ops: list(`MSG subj="a" reply="r" sid="1" size="0002" pay="hi" tail="r 0002\r\nhi\r\n"`)},
	{name: "MSG with an empty reply", p: server, in: "MSG a 1  2\r\nhi\r\n", ops: list(`MSG subj="a" sid="1" size="2" pay="hi"`)},
	{name: "msg", p: server, in: "msg\ta 1 2\nhi\r\n", ops: list(`MSG subj="a" sid="1" size="2" pay="hi"`)},
	{name: "HMSG", p: server, in: "HMSG a 1 1 2\r\nhi\r\nHMSG a 1 r 1 2\r\nhi\r\n",
		ops: list(`HMSG subj="a" sid="1" size="2" hdr=1 pay="hi" tail="1 2\r\nhi\r\n"`,
			`HMSG subj="a" reply="r" sid="1" size="2" hdr=1 pay="hi" tail="r 1 2\r\nhi\r\n"`)},
	{name: "no responders", p: server,
		in:  "HMSG _INBOX.x 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n",
		ops: list(`HMSG subj="_INBOX.x" sid="1" size="38" hdr=38 pay="NATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n" tail="38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n"`)},
	{name: "MSG without sid", p: server, in: "MSG a 2\r\n", err: "too few"},
	{name: "MSG with groups", p: server, in: "MSG a 1 | q 2\r\n", err: "too many"},
	{name: "MSG with too many", p: server, in: "MSG a 1 r s 2\r\n", err: "too many"},
	{name: "HMSG without sid", p: server, in: "HMSG a 1 2\r\n", err: "too few"},
	{name: "MSG with wrong end", p: server, in: "MSG a 1 1\r\nabc", err: wire.TextUnknownOp},
	{name: "CONNECT from server", p: server, in: "CONNECT {}\r\n", err: wire.TextUnknownOp},
	{name: "PUB from server", p: server, in: "PUB a 0\r\n\r\n", err: wire.TextUnknownOp},
	{name: "SUB from server", p: server, in: "SUB a 1\r\n", err: wire.TextUnknownOp},
	{name: "RMSG from server", p: server, in: "RMSG $G a 0\r\n\r\n", err: wire.TextUnknownOp},
}
