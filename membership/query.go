package membership

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/serf/serf"
)

const (
	// queryTime is how long a query may take whose context has no deadline, and mostQueryTime the longest.
	queryTime, mostQueryTime = 2 * time.Second, 30 * time.Second
	// queryWorkers answer queries, and queryBacklog may wait for one. What comes then gets no answer: a
	// flood of queries must not hold up gossip, nor take the node's processors.
	queryWorkers, queryBacklog = 4, 64
	// longestAnswer is the longest answer that fits a packet with what is around it.
	longestAnswer = 900
)

// Answer is what one member has answered to a query.
type Answer struct {
	From string // its ID
	Body []byte
}

// Query asks all members that live, this one too, and returns what those have answered that did in time:
// until all have, ctx ends, or its deadline comes, 2 s if it has none. That some have not answered is no
// error. A query has a kilobyte at most.
func (c *Cluster) Query(ctx context.Context, name string, body []byte) ([]Answer, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	wait := queryTime
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(time.Until(deadline), mostQueryTime)
	}
	if wait <= 0 || ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	want := c.list.NumMembers()
	c.tags.mu.Lock() // the library reads our own record, which tags write
	resp, err := c.serf.Query(name, body, &serf.QueryParam{Timeout: wait, RelayFactor: 1})
	c.tags.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("cannot ask %q: %w", name, err)
	}
	defer resp.Close()
	var list []Answer
	for len(list) < want {
		select {
		case r, ok := <-resp.ResponseCh():
			if !ok {
				return list, nil
			}
			list = append(list, Answer{From: r.From, Body: r.Payload})
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return list, nil
			}
			return list, ctx.Err()
		case <-c.ctx.Done():
			return list, errClosed
		}
	}
	return list, nil
}

// answerAll answers queries until ctx ends.
func (c *Cluster) answerAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-c.queries:
			body := c.o.Answer(q.Name, q.SourceNode(), q.Payload)
			if body == nil {
				continue
			}
			if len(body) > longestAnswer {
				if _, ok := c.limit.allow("answer "+q.Name, time.Now()); ok {
					c.o.Logger.Warn("An answer is too long for gossip", "query", clean(q.Name), "bytes", len(body))
				}
				continue
			}
			if err := q.Respond(body); err != nil {
				c.o.Logger.Debug("Cannot answer a query", "query", clean(q.Name), "error", err)
			}
		}
	}
}
