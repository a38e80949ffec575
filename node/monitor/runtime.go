package monitor

import (
	"bytes"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
)

// Expvarz is the answer of /debug/vars: what the standard library's expvar publishes, but for the
// arguments of the process, which may hold secrets.
type Expvarz struct {
	Cmdline  []string         `json:"cmdline"` // the name of the program
	Memstats runtime.MemStats `json:"memstats"`
}

// Expvarz describes the memory of the process.
func (m *Monitor) Expvarz() *Expvarz {
	z := &Expvarz{Cmdline: os.Args[:1]}
	runtime.ReadMemStats(&z.Memstats)
	return z
}

// stacksz shows where every goroutine is.
func (h *Handler) stacksz(w http.ResponseWriter, r *http.Request) {
	var stacks bytes.Buffer
	// In this form goroutines that are at the same place are shown once, however many there are.
	err := h.inTurn(r.Context(), func() { _ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) })
	if err != nil {
		return // nobody is there
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(stacks.Bytes())
}
