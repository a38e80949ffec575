package node

import (
	"errors"
	"net"
	"os"
	"time"

	"shoal/wire"
)

// closeReason says why a connection ended. The texts are those that monitoring tools of NATS know.
type closeReason string

const (
	reasonClientClosed          closeReason = "Client Closed"
	reasonAuthTimeout           closeReason = "Authentication Timeout"
	reasonAuthFailure           closeReason = "Authentication Failure"
	reasonCredentialsRevoked    closeReason = "Credentials Revoked"
	reasonSlowPending           closeReason = "Slow Consumer (Pending Bytes)"
	reasonSlowWrite             closeReason = "Slow Consumer (Write Deadline)"
	reasonWriteError            closeReason = "Write Error"
	reasonReadError             closeReason = "Read Error"
	reasonStale                 closeReason = "Stale Connection"
	reasonProtocol              closeReason = "Protocol Violation"
	reasonMaxConnections        closeReason = "Maximum Connections Exceeded"
	reasonMaxAccountConnections closeReason = "Maximum Account Connections Exceeded"
	reasonMaxPayload            closeReason = "Maximum Message Payload Exceeded"
	reasonMaxControlLine        closeReason = "Maximum Control Line Exceeded"
	reasonServerShutdown        closeReason = "Server Shutdown"
	reasonKicked                closeReason = "Kicked"
	reasonDraining              closeReason = "Server Draining"
	reasonBadClientProto        closeReason = "Bad Client Protocol Version"
	reasonClusterName           closeReason = "Cluster Name Conflict"
	reasonDuplicateRoute        closeReason = "Duplicate Route"
	reasonDuplicateName         closeReason = "Duplicate Server Name"
	reasonSelfRoute             closeReason = "Route To Self"
	reasonWrongPort             closeReason = "Incorrect Port"
	reasonRouteRemoved          closeReason = "Route Removed"
	reasonTLSHandshake          closeReason = "TLS Handshake Failure"
	reasonMissingHeaders        closeReason = "No Responders Requires Headers"
)

// ending is how a connection ends: the reason, and the text that the other side is told, if any.
type ending struct {
	reason closeReason
	text   string
	err    error         // what happened, for the log
	hold   time.Duration // for how long the other side waits for the text

	waiting int // bytes that a slow consumer had not taken
}

func (e *ending) Error() string {
	if e.err != nil {
		return string(e.reason) + ": " + e.err.Error()
	}
	return string(e.reason)
}

// endingOf translates what stopped a reader.
func endingOf(err error) *ending {
	var e *ending
	var protocol *wire.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &protocol):
		return &ending{reason: protocolReason(protocol), text: protocol.Reply, err: protocol}
	case errors.Is(err, errEndOfStream), errors.Is(err, net.ErrClosed):
		return &ending{reason: reasonClientClosed}
	}
	return &ending{reason: reasonReadError, err: err}
}

func protocolReason(err *wire.Error) closeReason {
	switch err.Reply {
	case wire.TextControlLine:
		return reasonMaxControlLine
	case wire.TextMaxPayload:
		return reasonMaxPayload
	}
	return reasonProtocol
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
