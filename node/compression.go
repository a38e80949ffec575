package node

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
)

// Modes of compression of a route. What is sent is a stream in the format of S2, flushed with every
// batch. Each side chooses how hard its own encoder tries.
const (
	CompressionOff          = "off"             // never
	CompressionAccept       = "accept"          // if the peer wants it
	CompressionAuto         = "s2_auto"         // as the round trip suggests
	CompressionUncompressed = "s2_uncompressed" // the format, but no effort
	CompressionFast         = "s2_fast"
	CompressionBetter       = "s2_better"
	CompressionBest         = "s2_best"
)

// compressionBlock is the size of the blocks that are compressed at once.
const compressionBlock = 256 << 10

// validCompression reports whether mode is one of those above.
func validCompression(mode string) bool {
	switch mode {
	case CompressionOff, CompressionAccept:
		return true
	}
	return wantsCompression(mode)
}

// wantsCompression reports whether a side that has this mode asks for compression.
func wantsCompression(mode string) bool {
	switch mode {
	case CompressionAuto, CompressionUncompressed, CompressionFast, CompressionBetter, CompressionBest:
		return true
	}
	return false
}

// negotiateCompression returns the mode that two sides agree on, as the dialling one announces it.
// A peer that knows no compression says nothing, or "not supported".
func negotiateCompression(ours, theirs string) (mode string, err error) {
	switch theirs {
	case "", "not supported":
		return CompressionOff, nil
	}
	switch {
	case !validCompression(theirs):
		return "", fmt.Errorf("unsupported route compression mode %q", theirs)
	case ours == CompressionOff, theirs == CompressionOff:
		return CompressionOff, nil
	case wantsCompression(ours):
		return ours, nil
	case theirs == CompressionAuto:
		return CompressionFast, nil
	case wantsCompression(theirs):
		return theirs, nil
	}
	return CompressionOff, nil
}

// Round trips up to which s2_auto tries as little as named; beyond the last it tries harder.
const (
	uncompressedRTT = 10 * time.Millisecond
	fastRTT         = 50 * time.Millisecond
	betterRTT       = 100 * time.Millisecond
)

// encoderOptions returns how the encoder of a mode is set up for a peer with that round trip.
func encoderOptions(mode string, rtt time.Duration) []s2.WriterOption {
	options := []s2.WriterOption{s2.WriterConcurrency(1), s2.WriterBlockSize(compressionBlock)}
	if mode == CompressionAuto {
		switch {
		case rtt <= uncompressedRTT:
			mode = CompressionUncompressed
		case rtt <= fastRTT:
			mode = CompressionFast
		case rtt <= betterRTT:
			mode = CompressionBetter
		default:
			mode = CompressionBest
		}
	}
	switch mode {
	case CompressionUncompressed:
		options = append(options, s2.WriterUncompressed())
	case CompressionBetter:
		options = append(options, s2.WriterBetterCompression())
	case CompressionBest:
		options = append(options, s2.WriterBestCompression())
	}
	return options
}

// codec compresses what goes over a connection. Its reader belongs to the reading goroutine, its
// writer to whoever has outbound.writing.
type codec struct {
	r io.Reader
	w *s2.Writer
}

// newCodec returns a codec for nc, of whose compressed bytes some have been read already.
func newCodec(nc net.Conn, read []byte, options []s2.WriterOption) *codec {
	compressed := &compressedOnly{r: io.MultiReader(bytes.NewReader(read), nc)}
	return &codec{
		r: s2.NewReader(compressed),
		w: s2.NewWriter(nc, options...),
	}
}

// write writes pieces and flushes.
func (k *codec) write(pieces net.Buffers) error {
	for _, p := range pieces {
		if _, err := k.w.Write(p); err != nil {
			return err
		}
	}
	return k.w.Flush()
}

// compressedOnly is a reader that explains why a stream is not compressed: a peer that refuses a
// connection says so before it has switched.
type compressedOnly struct {
	r       io.Reader
	started bool
}

const s2StreamBegin = 0xff

func (c *compressedOnly) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if n > 0 && !c.started {
		if b[0] != s2StreamBegin {
			const shown = 200
			line, _, _ := strings.Cut(string(b[:min(n, shown)]), "\r\n")
			return 0, fmt.Errorf("peer sent %q instead of a compressed stream", line)
		}
		c.started = true
	}
	return n, err
}

// compress has the connection compress everything from now on, in both directions. The reader calls
// it when it has read the last operation that is not compressed.
func (c *conn) compress(options []s2.WriterOption) error {
	k := newCodec(c.sock.stream(), bytes.Clone(c.in.unread()), options)
	c.in.release()
	if !c.settle(flushTime) {
		return fmt.Errorf("nothing was read within %v", flushTime)
	}
	defer c.out.mu.Unlock()
	c.sock.codec = k
	return nil
}
