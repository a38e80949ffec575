package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"
)

// checkSubject refuses what no server would deliver. Only subscriptions may have wildcards.
func checkSubject(subject string, wildcards bool) error {
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		switch {
		case token == "":
			return fmt.Errorf("%q is not a subject: a token between its dots is empty", subject)
		case strings.ContainsAny(token, " \t\r\n"):
			return fmt.Errorf("%q is not a subject: it contains a space", subject)
		case !wildcards && (token == "*" || token == ">"):
			return fmt.Errorf("%q has wildcards, a message goes to a subject without", subject)
		case token == ">" && i < len(tokens)-1:
			return fmt.Errorf("%q is not a subject: > can only be its last token", subject)
		}
	}
	return nil
}

// checkQueue refuses what is not the name of a queue group.
func checkQueue(queue string) error {
	if strings.ContainsAny(queue, " \t\r\n") {
		return fmt.Errorf("--queue: %q contains a space", queue)
	}
	return nil
}

// parseHeaders reads the values of -H, each "key:value".
func parseHeaders(lines []string) (nats.Header, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	header := nats.Header{}
	for _, line := range lines {
		key, value, ok := strings.Cut(line, ":")
		key = strings.TrimSpace(key)
		if !ok || key == "" || strings.ContainsAny(line, "\r\n") {
			return nil, fmt.Errorf("-H: %q is not a header, write key:value", line)
		}
		header.Add(key, strings.TrimSpace(value))
	}
	return header, nil
}

// body returns the text of a message: the argument, or standard input for "-" and for no argument
// at all if that is not a terminal.
func (c *client) body(nc *nats.Conn, args cli.Args) ([]byte, error) {
	if text := args.Get(1); args.Len() > 1 && text != "-" {
		return []byte(text), nil
	}
	if args.Len() < 2 && isTerminal(c.in) {
		return nil, nil
	}
	limit := nc.MaxPayload()
	data, err := io.ReadAll(io.LimitReader(c.in, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read standard input: %w", reason(err))
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("standard input is longer than the %d bytes that the server allows", limit)
	}
	return data, nil
}

// publishError explains why the library did not accept a message.
func publishError(nc *nats.Conn, msg *nats.Msg, err error) error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("the message has %d bytes with its headers, the server allows %d", msg.Size()-len(msg.Subject)-len(msg.Reply), nc.MaxPayload())
	case errors.Is(err, nats.ErrHeadersNotSupported):
		return errors.New("-H: this server has no headers")
	}
	return natsError(err)
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	// The null device is a character device, too, but nobody types there.
	null, err := os.Stat(os.DevNull)
	return err == nil && !os.SameFile(info, null)
}
