package system

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime/pprof"
	"time"
)

// longestProfile is how long the processor may be watched.
const longestProfile = 15 * time.Second

// profile is the answer of PROFILEZ: a profile as go tool pprof reads it, or why there is none.
type profile struct {
	Profile []byte `json:"profile"`
	Error   string `json:"error"`
}

// profilez makes a profile of the process.
func profilez(ctx context.Context, _ *Service, r *request) (any, error) {
	var o struct {
		Name     string        `json:"name"`
		Debug    int           `json:"debug"`
		Duration time.Duration `json:"duration,omitempty"`
	}
	if err := r.decode(&o); err != nil {
		return nil, &failure{http.StatusBadRequest, err.Error()}
	}
	fail := func(format string, args ...any) (any, error) {
		return profile{Error: fmt.Sprintf(format, args...)}, nil
	}
	var b bytes.Buffer
	switch p := pprof.Lookup(o.Name); {
	case o.Name == "":
		return fail("name: a profile has to be named, such as cpu or heap")
	case o.Name == "cpu" && (o.Duration <= 0 || o.Duration > longestProfile):
		return fail("duration: %v is not more than 0s and up to %v", o.Duration, longestProfile)
	case o.Name == "cpu":
		if err := pprof.StartCPUProfile(&b); err != nil {
			return fail("cpu: %v", err)
		}
		select {
		case <-time.After(o.Duration):
		case <-ctx.Done():
		}
		pprof.StopCPUProfile()
	case p == nil:
		return fail("name: there is no profile %.40q", o.Name)
	default:
		if err := p.WriteTo(&b, o.Debug); err != nil {
			return fail("%s: %v", o.Name, err)
		}
	}
	return profile{Profile: b.Bytes()}, nil
}
