package membership

import (
	"bytes"
	"compress/lzw"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// Types of memberlist's messages that a journal looks for or into, which are the first byte of each.
const (
	typeSuspect    = 3
	typeAlive      = 4
	typeDead       = 5
	typeCompound   = 7 // several messages
	typeCompressed = 9
	typeChecksum   = 12
)

// journal reads what this node's memberlist tells others, since that is the only place where one learns
// whom it suspects: memberlist has no function, no callback and no event for it. What it comes to believe
// it passes on with its next packet of gossip, a tenth of a second later, and it passes on nothing that it
// does not believe: a rumour that is older than what it knows never gets that far. So its own packets are
// a journal of its decisions, each with the incarnation that it is about, wherever they came from: its own
// probes, the gossip of others, or an exact comparison.
//
// It has gaps: memberlist's queue can lose one of two messages that are equally long, when both are queued
// right after it was empty. So there are two more sources. That this node's own probe has failed is in a
// line of the log. And packets of others are read for members who say that they live: memberlist believes
// a denial in a later incarnation than the suspicion, and so can this.
//
// Packets are sealed with the gossip key when they get here, so reading them costs one decryption of each,
// of which there are a handful a second.
type journal struct {
	view    *view
	keyring *memberlist.Keyring // nil if packets are not sealed
	handle  codec.MsgpackHandle
	// unread counts packets of this node that made no sense, which can only be if memberlist's format has
	// changed: suspects may go unseen then.
	unread atomic.Uint64

	mu      sync.Mutex             // guards the rest
	openers map[string]cipher.AEAD // by key
}

// rumour is what messages on a member's health have in common.
type rumour struct {
	Incarnation uint32
	Node        string
	From        string // who says that it is a suspect or dead; if that is itself, it is a goodbye
}

// sent reads a packet that is about to be sent.
func (j *journal) sent(packet []byte, now time.Time) {
	if !j.read(packet, func(t byte, r rumour) {
		switch t {
		case typeSuspect:
			j.view.suspected(now, r.Node, r.Incarnation)
		case typeAlive:
			j.view.refuted(now, r.Node, r.Incarnation)
		case typeDead:
			j.dead(now, r)
		}
	}) {
		j.unread.Add(1)
	}
}

// received reads a packet that has come, from whomever.
func (j *journal) received(packet []byte, now time.Time) {
	j.read(packet, func(t byte, r rumour) {
		switch t {
		case typeAlive:
			j.view.denied(now, r.Node, r.Incarnation)
		case typeDead:
			j.dead(now, r)
		}
	})
}

// dead notes a goodbye. It is one for memberlist, but not for serf, unless serf's own has come before it.
func (j *journal) dead(now time.Time, r rumour) {
	if r.From == r.Node {
		j.view.saidGoodbye(now, r.Node, r.Incarnation)
	}
}

// read calls found for each rumour in a packet, and reports whether the packet made sense.
func (j *journal) read(packet []byte, found func(t byte, r rumour)) bool {
	body, label, err := memberlist.RemoveLabelHeaderFromPacket(packet)
	if err == nil && j.keyring != nil {
		body, err = j.open(body, []byte(label))
	}
	return err == nil && j.message(body, found, 0)
}

// message reads one message, depth levels below the packet. It reports whether it made sense.
func (j *journal) message(b []byte, found func(t byte, r rumour), depth int) bool {
	if len(b) == 0 || depth > 4 {
		return false
	}
	body := b[1:]
	switch b[0] {
	case typeChecksum:
		return len(body) > 4 && j.message(body[4:], found, depth+1)
	case typeCompressed:
		var c struct{ Buf []byte }
		if codec.NewDecoderBytes(body, &j.handle).Decode(&c) != nil {
			return false
		}
		plain, err := io.ReadAll(io.LimitReader(lzw.NewReader(bytes.NewReader(c.Buf), lzw.LSB, 8), 1<<16))
		return err == nil && j.message(plain, found, depth+1)
	case typeCompound:
		return j.compound(body, found, depth)
	case typeSuspect, typeAlive, typeDead:
		var r rumour
		if codec.NewDecoderBytes(body, &j.handle).Decode(&r) != nil {
			return false
		}
		found(b[0], r)
	}
	return true
}

// compound reads a number of messages, their lengths, and then the messages.
func (j *journal) compound(b []byte, found func(t byte, r rumour), depth int) bool {
	if len(b) == 0 || len(b) < 1+2*int(b[0]) {
		return false
	}
	lengths, rest := b[1:1+2*int(b[0])], b[1+2*int(b[0]):]
	for ; len(lengths) > 0; lengths = lengths[2:] {
		n := int(binary.BigEndian.Uint16(lengths))
		if n > len(rest) || !j.message(rest[:n], found, depth+1) {
			return false
		}
		rest = rest[n:]
	}
	return true
}

// open decrypts a packet with whichever key fits: a byte for the version, a nonce, and what AES-GCM makes
// of the message.
func (j *journal) open(b, label []byte) ([]byte, error) {
	for _, key := range j.keyring.GetKeys() { // the one that seals is the first
		gcm, err := j.opener(key)
		if err != nil {
			return nil, err
		}
		n := gcm.NonceSize()
		if len(b) < 1+n {
			break
		}
		if plain, err := gcm.Open(nil, b[1:1+n], b[1+n:], label); err == nil {
			return plain, nil
		}
	}
	return nil, io.ErrUnexpectedEOF
}

// opener returns what decrypts with a key.
func (j *journal) opener(key []byte) (cipher.AEAD, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if gcm, ok := j.openers[string(key)]; ok {
		return gcm, nil
	}
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	if j.openers == nil || len(j.openers) >= 2*mostKeys {
		j.openers = make(map[string]cipher.AEAD)
	}
	j.openers[string(key)] = gcm
	return gcm, nil
}
