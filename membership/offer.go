package membership

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// offerMark is the first byte of a stream that brings keys or asks for them.
	offerMark = 'K'
	// offerTime bounds one such exchange.
	offerTime = 3 * time.Second
	// offerEvery is the least time between two attempts to give one member the keys that it has missed.
	offerEvery = 5 * time.Second
	// longestOffer bounds what is read of one sealed text.
	longestOffer = 4096
	// offersAtOnce is how many members are told at the same time.
	offersAtOnce = 8
)

// offerLabel is authenticated with what is sealed, so that it cannot be taken for gossip, nor gossip for it.
var offerLabel = []byte("shoal keys 1")

// An offer is one message and its reply on a stream of its own. The message is there several times, sealed
// with each key that the sender has, since the receiver may have any one of them; the reply is sealed with
// the one that could be opened. Each is two bytes of length and the text; the message ends with length 0.
//
// It is bound to the receiver's ID, which is fresh for every process, and a ring counts only if it is newer
// than the receiver's. So to send an old one again does nothing.
type offer struct {
	To   string
	Ring *ring `json:",omitempty"` // nil only asks
}

// offerReply says what the receiver has, after it has taken the offer.
type offerReply struct {
	From       string
	Generation int64
	Keys       []string // fingerprints
	Primary    int      // index in Keys

	changed bool // it had an older ring
	err     error
}

// offerAll makes an offer to members, and returns their replies by ID.
func (c *Cluster) offerAll(ctx context.Context, members []Member, o offer) map[string]offerReply {
	var mu sync.Mutex
	replies := make(map[string]offerReply, len(members))
	var wg sync.WaitGroup
	slots := make(chan struct{}, offersAtOnce)
	for _, m := range members {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			to := o
			to.To = m.ID
			reply, err := c.offer(ctx, m.Gossip, to)
			reply.err = err
			reply.changed = to.Ring != nil && m.ring < to.Ring.Generation
			mu.Lock()
			replies[m.ID] = reply
			mu.Unlock()
		})
	}
	wg.Wait()
	return replies
}

// offer makes an offer to the member at addr.
func (c *Cluster) offer(ctx context.Context, addr string, o offer) (offerReply, error) {
	var reply offerReply
	if err := ctx.Err(); err != nil {
		return reply, err
	}
	nc, err := c.transport.DialTimeout(addr, offerTime)
	if err != nil {
		return reply, err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	_ = nc.SetDeadline(time.Now().Add(offerTime))
	text, err := json.Marshal(o)
	if err != nil {
		return reply, err
	}
	keys := c.keyring.Keys()
	message := []byte{offerMark}
	for _, key := range keys {
		message = appendFrame(message, seal(key, text))
	}
	if _, err := nc.Write(appendFrame(message, nil)); err != nil {
		return reply, err
	}
	sealed, err := readFrame(nc)
	if err != nil {
		return reply, errors.New("no reply; it may have none of our gossip keys")
	}
	for _, key := range keys {
		if text, err := unseal(key, sealed); err == nil {
			if err := json.Unmarshal(text, &reply); err != nil {
				return reply, err
			}
			if reply.From != o.To {
				return reply, fmt.Errorf("another server answers there: %s", clean(reply.From))
			}
			return reply, nil
		}
	}
	return reply, errors.New("the reply is sealed with a key that we do not have")
}

// takeOffer serves a stream that brings an offer, up to its end.
func (c *Cluster) takeOffer(nc io.ReadWriter, at string) {
	text, key, err := c.readOffer(nc)
	if err != nil {
		c.transport.refused.Add(1)
		if held, ok := c.limit.allow("offer", time.Now()); ok {
			c.o.Logger.Warn("Refused gossip keys", "from", at, "error", err, "repeated", held)
		}
		return
	}
	var o offer
	if json.Unmarshal(text, &o) != nil || o.To != c.o.ID {
		return // it was for a server that was here before
	}
	if o.Ring != nil {
		changed, err := c.keyring.adopt(*o.Ring)
		if err != nil {
			c.o.Logger.Warn("Cannot take over gossip keys", "from", at, "error", err)
			return
		}
		if changed {
			r := c.keyring.current()
			c.o.Logger.Info("The gossip keys have changed", "keys", len(r.Keys), "in_use", Fingerprint(r.primary()))
			c.keyring.publish()
		}
	}
	r := c.keyring.current()
	reply, err := json.Marshal(offerReply{From: c.o.ID, Generation: r.Generation, Keys: fingerprints(&r), Primary: r.Primary})
	if err != nil {
		return
	}
	_, _ = nc.Write(appendFrame(nil, seal(key, reply)))
}

// readOffer reads a message, and returns its text and the key that it could be opened with.
func (c *Cluster) readOffer(r io.Reader) (text, key []byte, err error) {
	keys := c.keyring.Keys()
	for range mostKeys + 1 {
		sealed, err := readFrame(r)
		if err != nil {
			return nil, nil, err
		}
		if len(sealed) == 0 {
			break
		}
		for _, k := range keys {
			if text != nil {
				break
			}
			if plain, err := unseal(k, sealed); err == nil {
				text, key = plain, k
			}
		}
	}
	if text == nil {
		return nil, nil, errors.New("they are sealed with keys that this server does not have")
	}
	return text, key, nil
}

func appendFrame(b, text []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(head[:])
	if n > longestOffer {
		return nil, fmt.Errorf("a text of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// seal encrypts and authenticates a text with AES-GCM, under a random nonce in front of it.
func seal(key, text []byte) []byte {
	gcm, err := newGCM(key)
	if err != nil {
		return nil // keys were validated when they came
	}
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce)
	return gcm.Seal(nonce, nonce, text, offerLabel)
}

func unseal(key, sealed []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	n := gcm.NonceSize()
	if len(sealed) < n {
		return nil, io.ErrUnexpectedEOF
	}
	text, err := gcm.Open(nil, sealed[:n], sealed[n:], offerLabel)
	return bytes.Clone(text), err
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
