package broker

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// firstPort and lastPort are a range that the kernel does not take ports for outgoing connections
// from, so that a port stays free while its server is down and somebody looks for it.
const (
	firstPort = 10000
	lastPort  = 19999
)

var (
	portMutex sync.Mutex
	portsUsed = map[int]bool{}
)

// FreePort finds a free port on 127.0.0.1. A process gets each port only once.
func FreePort() (string, error) {
	portMutex.Lock()
	defer portMutex.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if portsUsed[port] {
			continue
		}
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		portsUsed[port] = true
		return strconv.Itoa(port), listener.Close()
	}
	return "", errors.New("found no free port")
}
