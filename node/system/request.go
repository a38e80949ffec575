package system

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"

	"shoal/node"
)

// request is a request with what is about to be asked.
type request struct {
	*node.SystemMessage
	account string // that the subject names, if it does
}

// decode reads the options of a request into v; without any it stays as it is.
func (r *request) decode(v any) error {
	if len(r.Payload) == 0 {
		return nil
	}
	return json.Unmarshal(r.Payload, v)
}

// endpoint is what can be asked.
type endpoint struct {
	// answer finds the answer, and errSilent if this server has nothing to say.
	answer func(context.Context, *Service, *request) (any, error)
	// long says that it may take seconds.
	long bool
	// direct says that only one server can be asked, rather than all of them.
	direct bool
}

// about makes an endpoint whose answer depends on options.
func about[O any](answer func(*Service, *request, O) (any, error)) endpoint {
	return endpoint{answer: func(_ context.Context, s *Service, r *request) (any, error) {
		var options O
		if err := r.decode(&options); err != nil {
			return nil, &failure{http.StatusBadRequest, err.Error()}
		}
		return answer(s, r, options)
	}}
}

// errSilent is for a request that others answer.
var errSilent = errors.New("others answer")

// filter says which servers are asked. What is empty makes no difference.
type filter struct {
	Name    string   `json:"server_name,omitempty"`
	Cluster string   `json:"cluster,omitempty"`
	Host    string   `json:"host,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	Domain  string   `json:"domain,omitempty"` // of JetStream
	// Exact compares names as a whole rather than a part of them.
	Exact bool `json:"exact_match,omitempty"`
}

// matches reports whether this server is asked.
func (f *filter) matches(s *Service) bool {
	compare := strings.Contains
	if f.Exact {
		compare = func(have, wanted string) bool { return wanted == "" || have == wanted }
	}
	opts := s.node.Options()
	for _, tag := range f.Tags {
		if !slices.ContainsFunc(opts.Tags, func(t string) bool { return strings.EqualFold(t, tag) }) {
			return false
		}
	}
	return f.Domain == "" && compare(s.node.Name(), f.Name) && compare(opts.Host, f.Host) && compare(s.cluster(), f.Cluster)
}

// response is the answer to most requests.
type response struct {
	Server server   `json:"server"`
	Data   any      `json:"data,omitempty"`
	Error  *failure `json:"error,omitempty"`
}

// failure is why there is no answer. The codes are those of HTTP.
type failure struct {
	Code        int    `json:"code"`
	Description string `json:"description,omitempty"`
}

func (f *failure) Error() string { return f.Description }

// answer answers a request by what the endpoint finds.
func (s *Service) answer(e endpoint, r *request) {
	if r.Reply == "" {
		return
	}
	var f filter
	if err := r.decode(&f); err != nil {
		s.respond(r, nil, &failure{http.StatusBadRequest, err.Error()})
		return
	}
	if !f.matches(s) {
		return
	}
	find := func(ctx context.Context) {
		if data, err := e.answer(ctx, s, r); !errors.Is(err, errSilent) {
			s.respond(r, data, err)
		}
	}
	if !e.long {
		find(context.Background())
	} else if !s.long.start(find) {
		s.respond(r, nil, &failure{http.StatusServiceUnavailable, "the server is busy with requests that take long, ask again"})
	}
}

// respond sends the answer to a request, or why there is none.
func (s *Service) respond(r *request, data any, err error) {
	var failed *failure
	if err != nil && !errors.As(err, &failed) {
		failed = &failure{http.StatusInternalServerError, err.Error()}
	}
	encoding := ""
	if failed == nil {
		encoding = encodingOf(headerValue(r.Header, "Accept-Encoding"))
	} else {
		data = nil
	}
	s.client.Publish(r.Reply, encodingHeader(encoding), func() []byte {
		return compress(s.encode(response{Server: s.self(), Data: data, Error: failed}), encoding)
	})
}

// The encodings of answers.
const (
	encodingSnappy = "snappy"
	encodingGzip   = "gzip"
	encodingNone   = "identity"
)

// encodingOf returns how an answer is to be encoded, by the header Accept-Encoding of the request; empty if
// that does not ask.
func encodingOf(accepted string) string {
	switch value := strings.ToLower(accepted); {
	case value == "":
		return ""
	case strings.Contains(value, "snappy"), strings.Contains(value, "s2"):
		return encodingSnappy
	case strings.Contains(value, "gzip"):
		return encodingGzip
	}
	return encodingNone
}

// encodingHeader returns the header block of an answer, nil if there is no need for one.
func encodingHeader(encoding string) []byte {
	if encoding == "" {
		return nil
	}
	return []byte("NATS/1.0\r\nContent-Encoding: " + encoding + "\r\n\r\n")
}

// headerValue returns the first value of a header, empty if there is none.
func headerValue(header []byte, name string) string {
	for line := range bytes.Lines(header) {
		if key, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func compress(text []byte, encoding string) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case encodingSnappy:
		w = s2.NewWriter(&b, s2.WriterSnappyCompat(), s2.WriterConcurrency(1))
	case encodingGzip:
		w = gzip.NewWriter(&b)
	default:
		return text
	}
	w.Write(text) // into memory, where nothing fails
	w.Close()
	return b.Bytes()
}
