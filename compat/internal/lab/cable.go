package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Fault is what is wrong with a cable.
type Fault struct {
	// Loss is the share of the packets to the node that get lost, from 0 to 1.
	Loss float64
	// OnlyUDP spares all others.
	OnlyUDP bool
	// Delay is how long a packet takes in each direction.
	Delay time.Duration
	// Rate is how many bytes a second fit through in each direction, 0 for any number.
	Rate float64
}

// cable joins the interface of a node to the switch by a relay in this process, which has faults on
// demand. Kernels have netem for it, but many are built without.
type cable struct {
	near, far *os.File // the node's end and the switch's

	mutex sync.Mutex
	fault Fault
}

// queueTime is how long a packet may wait for a slow cable before it is dropped.
const queueTime = 500 * time.Millisecond

// plug makes an interface in each of two namespaces, with a cable between them.
func plug(node *Namespace, name string, fabric *Namespace, port string) (*cable, error) {
	near, err := tap(node, name)
	if err != nil {
		return nil, err
	}
	far, err := tap(fabric, port)
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	c := &cable{near: near, far: far}
	go c.relay(near, far, false)
	go c.relay(far, near, true)
	return c, nil
}

// tap makes an interface whose packets this process reads and writes.
func tap(n *Namespace, name string) (file *os.File, err error) {
	n.Do(func() {
		var fd int
		if fd, err = syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0); err != nil {
			err = fmt.Errorf("/dev/net/tun: %w", err)
			return
		}
		var request struct {
			name  [syscall.IFNAMSIZ]byte
			flags uint16
			_     [22]byte
		}
		copy(request.name[:], name)
		request.flags = syscall.IFF_TAP | syscall.IFF_NO_PI
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request)))
		if errno != 0 {
			syscall.Close(fd)
			err = fmt.Errorf("make the interface %s: %w", name, errno)
			return
		}
		file = os.NewFile(uintptr(fd), name) // after the ioctl, which readies it for being waited for
	})
	return file, err
}

func (c *cable) set(f Fault) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.fault = f
}

func (c *cable) get() Fault {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.fault
}

func (c *cable) close() {
	c.near.Close()
	c.far.Close()
}

// packet is one that is on its way.
type packet struct {
	data   []byte
	arrive time.Time
}

// relay passes packets on in one direction until the cable is closed.
func (c *cable) relay(from, to *os.File, toNode bool) {
	way := make(chan packet, 1<<14)
	defer close(way)
	go func() {
		for p := range way {
			time.Sleep(time.Until(p.arrive))
			_, _ = to.Write(p.data) // an interface that is down loses packets
		}
	}()
	buffer := make([]byte, 1<<16)
	var free time.Time // when the cable is free for the next packet
	for {
		n, err := from.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil || n == 0 {
			time.Sleep(time.Millisecond) // not up yet
			continue
		}
		f, now := c.get(), time.Now()
		if toNode && f.Loss > 0 && (!f.OnlyUDP || isUDP(buffer[:n])) && rand.Float64() < f.Loss {
			continue
		}
		if free.Before(now) {
			free = now
		}
		if f.Rate > 0 {
			if free.Sub(now) > queueTime {
				continue
			}
			free = free.Add(time.Duration(float64(n) / f.Rate * float64(time.Second)))
		}
		select {
		case way <- packet{append([]byte(nil), buffer[:n]...), free.Add(f.Delay)}:
		default:
		}
	}
}

// isUDP reports whether an Ethernet frame holds a packet of UDP over IPv4.
func isUDP(frame []byte) bool {
	const header, protocol = 14, 9
	return len(frame) > header+protocol && frame[12] == 0x08 && frame[13] == 0x00 &&
		frame[header+protocol] == syscall.IPPROTO_UDP
}
