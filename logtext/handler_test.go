package logtext

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	levelTrace = slog.LevelDebug - 4
	levelFatal = slog.LevelError + 4
)

// conn is a connection as a node describes it, with a client name that comes later.
type conn struct {
	cid             uint64
	client, account string
}

func (c *conn) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("addr", "127.0.0.1:50312"), slog.Uint64("cid", c.cid)}
	if c.client != "" {
		attrs = append(attrs, slog.String("client", c.client))
	}
	if c.account != "" {
		attrs = append(attrs, slog.String("account", c.account))
	}
	return slog.GroupValue(attrs...)
}

var all = Options{PID: 7, Debug: true, Trace: true, NoTime: true}

func TestHandlerText(t *testing.T) {
	plain := &conn{cid: 7}
	named := &conn{cid: 8, client: "v1.55.0:go:na me", account: "$G/bob"}
	tests := []struct {
		name string
		log  func(l *slog.Logger)
		want string
	}{
		{"info", func(l *slog.Logger) { l.Info("Server is ready") }, "[7] [INF] Server is ready\n"},
		{"debug", func(l *slog.Logger) { l.Debug("x") }, "[7] [DBG] x\n"},
		{"trace", func(l *slog.Logger) { l.Log(t.Context(), levelTrace, "<<- [PUB foo 2]") }, "[7] [TRC] <<- [PUB foo 2]\n"},
		{"warn", func(l *slog.Logger) { l.Warn("x") }, "[7] [WRN] x\n"},
		{"error", func(l *slog.Logger) { l.Error("x") }, "[7] [ERR] x\n"},
		{"fatal", func(l *slog.Logger) { l.Log(t.Context(), levelFatal, "x") }, "[7] [FTL] x\n"},
		{"attributes", func(l *slog.Logger) {
			l.Info("m", "n", 1, "s", "two words", "empty", "", "d", 3*time.Second, "err", errors.New("a=b"), "b", true, "f", 1.5)
		}, `[7] [INF] m n=1 s="two words" empty="" d=3s err="a=b" b=true f=1.5` + "\n"},
		{"time", func(l *slog.Logger) { l.Info("m", "at", time.Unix(0, 5).UTC()) },
			"[7] [INF] m at=1970-01-01T00:00:00.000000005Z\n"},
		{"group", func(l *slog.Logger) { l.Info("m", slog.Group("g", "a", 1, slog.Group("h", "b", 2))) },
			"[7] [INF] m g.a=1 g.h.b=2\n"},
		{"inline group", func(l *slog.Logger) { l.Info("m", slog.Group("", "a", 1)) }, "[7] [INF] m a=1\n"},
		{"empty attribute", func(l *slog.Logger) { l.Info("m", slog.Attr{}) }, "[7] [INF] m\n"},
		{"with", func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("b", 2).Info("m", "c", 3) },
			"[7] [INF] m a=1 g.b=2 g.c=3\n"},

		{"connection", func(l *slog.Logger) { l.Debug("opened", "conn", plain, "n", 1) },
			"[7] [DBG] 127.0.0.1:50312 - cid:7 - opened n=1\n"},
		{"named connection", func(l *slog.Logger) { l.Debug("opened", "conn", named) },
			`[7] [DBG] 127.0.0.1:50312 - cid:8 - "v1.55.0:go:na me" - "$G/bob" - opened` + "\n"},
		{"fixed connection", func(l *slog.Logger) {
			c := &conn{cid: 9}
			l = l.With("conn", c)
			c.client = "later"
			l.Info("m")
		}, `[7] [INF] 127.0.0.1:50312 - cid:9 - "later" - m` + "\n"},
		{"connection in a group is an attribute", func(l *slog.Logger) { l.WithGroup("g").Info("m", "conn", 1) },
			"[7] [INF] m g.conn=1\n"},
		{"text as connection", func(l *slog.Logger) { l.Info("m", "conn", "pipe") }, "[7] [INF] pipe - m\n"},

		{"newline in message", func(l *slog.Logger) { l.Info("a\r\n[7] [ERR] forged") },
			`[7] [INF] a\r\n[7] [ERR] forged` + "\n"},
		{"newline in value", func(l *slog.Logger) { l.Info("m", "k", "a\nb") }, `[7] [INF] m k="a\nb"` + "\n"},
		{"newline in key", func(l *slog.Logger) { l.Info("m", "k\n", 1) }, `[7] [INF] m "k\n"=1` + "\n"},
		{"newline in client name", func(l *slog.Logger) { l.Info("m", "conn", &conn{cid: 1, client: "\"x\n"}) },
			`[7] [INF] 127.0.0.1:50312 - cid:1 - "\"x\n" - m` + "\n"},
		{"terminal escape", func(l *slog.Logger) { l.Info("\x1b[2J\x00\x7f\u202e\u2028") },
			`[7] [INF] \x1b[2J\x00\x7f\u202e\u2028` + "\n"},
		{"not UTF-8", func(l *slog.Logger) { l.Info("a\xffb") }, `[7] [INF] a\xffb` + "\n"},
		{"letters of the world", func(l *slog.Logger) { l.Info("Grüße, 世界 \"q\"") }, `[7] [INF] Grüße, 世界 "q"` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tt.log(slog.New(NewHandler(&out, all)))
			if got := out.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestHandlerTime(t *testing.T) {
	var out bytes.Buffer
	slog.New(NewHandler(&out, Options{PID: 42})).Info("text")
	if line := regexp.MustCompile(`^\[42\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[INF\] text\n$`); !line.Match(out.Bytes()) {
		t.Errorf("got %s", out.String())
	}
}

func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		options Options
		want    string
	}{
		{Options{}, "IWEF"},
		{Options{Debug: true}, "DIWEF"},
		{Options{Trace: true}, "TIWEF"},
		{Options{Debug: true, Trace: true}, "TDIWEF"},
	} {
		var text, jsons bytes.Buffer
		for handler, out := range map[slog.Handler]*bytes.Buffer{
			NewHandler(&text, tt.options):      &text,
			NewJSONHandler(&jsons, tt.options): &jsons,
		} {
			logger := slog.New(handler).With("a", 1).WithGroup("g")
			got := ""
			for _, level := range []slog.Level{levelTrace, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, levelFatal} {
				logger.Log(t.Context(), level, "m")
				if out.Len() > 0 {
					got += longLevelName(level)[:1]
				}
				out.Reset()
			}
			if got != tt.want {
				t.Errorf("%T with %+v writes %s, want %s", handler, tt.options, got, tt.want)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(NewJSONHandler(&out, Options{PID: 7, Debug: true, Trace: true}))
	logger.Log(t.Context(), levelTrace, "a\nb", "conn", &conn{cid: 7}, "k", "v\n")
	logger.Log(t.Context(), levelFatal, "end")
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("2 records became %d lines:\n%s", len(lines), out.String())
	}
	var record struct {
		Time  time.Time
		Level string
		Msg   string
		PID   int
		K     string
		Conn  struct {
			Addr string
			CID  int
		}
	}
	if err := json.Unmarshal([]byte(lines[0]), &record); err != nil {
		t.Fatal(err)
	}
	if record.Level != "TRACE" || record.Msg != "a\nb" || record.PID != 7 || record.K != "v\n" ||
		record.Conn.CID != 7 || record.Conn.Addr != "127.0.0.1:50312" || record.Time.IsZero() {
		t.Errorf("got %+v", record)
	}
	if !strings.Contains(lines[1], `"level":"FATAL"`) {
		t.Errorf("got %s", lines[1])
	}

	out.Reset()
	slog.New(NewJSONHandler(&out, Options{PID: 7, NoTime: true})).Info("m")
	if want := `{"level":"INFO","msg":"m","pid":7}` + "\n"; out.String() != want {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestHandlerSurvivesFailingWriter(t *testing.T) {
	if err := NewHandler(failingWriter{}, all).Handle(t.Context(), slog.Record{Message: "m"}); err != nil {
		t.Errorf("Handle returned %v", err)
	}
}

// lineWriter notes every write, to see that lines arrive whole.
type lineWriter struct {
	mu    sync.Mutex
	lines []string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, string(p))
	return len(p), nil
}

func TestHandlerConcurrent(t *testing.T) {
	w := &lineWriter{}
	logger := slog.New(NewHandler(w, all))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				logger.With("conn", &conn{cid: uint64(i)}).Info(strings.Repeat(strconv.Itoa(i), 50))
			}
		})
	}
	wg.Wait()
	if len(w.lines) != 800 {
		t.Fatalf("%d writes for 800 lines", len(w.lines))
	}
	for _, line := range w.lines {
		cid := line[strings.Index(line, "cid:")+len("cid:"):][:1]
		if want := "[7] [INF] 127.0.0.1:50312 - cid:" + cid + " - " + strings.Repeat(cid, 50) + "\n"; line != want {
			t.Fatalf("mixed line: %s", line)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	logger := slog.New(NewHandler(failingWriter{}, Options{PID: 7, Trace: true}))
	c := &conn{cid: 7, client: "v1.55.0:go:name"}
	b.ReportAllocs()
	for b.Loop() {
		logger.Log(b.Context(), levelTrace, "<<- [PUB foo 2]", "conn", c)
	}
}
