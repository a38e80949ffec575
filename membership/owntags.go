package membership

import (
	"context"
	"maps"
	"sync"
	"time"
)

// tagsEvery is the least time between two times that changed tags are told. A change of the state is told
// at once.
const tagsEvery = time.Second

// ownTags are what this node says of itself.
type ownTags struct {
	mu    sync.Mutex // guards the rest, and the library's record of this node against writes
	tags  map[string]string
	dirty bool      // they differ from what was told
	told  time.Time // when that was
}

// SetState tells the others what this node is doing. They know in a few tenths of a second.
func (c *Cluster) SetState(ctx context.Context, s State) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.usable(); err != nil {
		return err
	}
	c.tags.mu.Lock()
	c.tags.tags[tagState] = stateLetters[s : s+1]
	c.tags.tags[tagCluster] = encodeCluster(c.o.Cluster())
	c.tell(time.Now())
	c.tags.mu.Unlock()
	c.spread()
	return nil
}

// SetTag has the others know something short about this node: key has 2 to 8 letters, value up to 64
// bytes, and an empty value removes it. Changes are told once a second at most, and then the last one.
func (c *Cluster) SetTag(key, value string) error {
	if err := c.usable(); err != nil {
		return err
	}
	if err := checkTag(key, value); err != nil {
		return err
	}
	return c.setTags(map[string]string{key: value})
}

// setTags changes tags, and tells the others soon.
func (c *Cluster) setTags(change map[string]string) error {
	c.tags.mu.Lock()
	defer c.tags.mu.Unlock()
	next := maps.Clone(c.tags.tags)
	for k, v := range change {
		if v == "" {
			delete(next, k)
		} else {
			next[k] = v
		}
	}
	next[tagCluster] = encodeCluster(c.o.Cluster())
	if maps.Equal(next, c.tags.tags) {
		return nil
	}
	if err := checkTags(next, mostTags); err != nil {
		return err
	}
	c.tags.tags, c.tags.dirty = next, true
	if now := time.Now(); now.Sub(c.tags.told) >= tagsEvery {
		c.tell(now)
	}
	return nil
}

// tellLate tells what was changed too soon after the last time, and whether the cluster is called something
// else now.
func (c *Cluster) tellLate(now time.Time) {
	if err := c.setTags(nil); err != nil {
		c.o.Logger.Warn("Cannot tell the others the cluster's name", "error", err)
	}
	c.tags.mu.Lock()
	defer c.tags.mu.Unlock()
	if c.tags.dirty && now.Sub(c.tags.told) >= tagsEvery {
		c.tell(now)
	}
}

// tell hands the tags to gossip. The caller holds tags.mu.
//
// serf's SetTags would wait until the news has been sent as often as it is to be sent, up to seconds, and
// hold up whoever comes next. So this does what it does, and does not wait.
func (c *Cluster) tell(now time.Time) {
	c.conf.Tags = maps.Clone(c.tags.tags)
	_ = c.list.UpdateNode(time.Nanosecond) // its only error is that it has not waited
	c.tags.dirty, c.tags.told = false, now
}

// spread compares notes with two members in a moment. One of many members misses a piece of gossip now
// and then, and this makes it unlikely that it goes on missing it.
func (c *Cluster) spread() {
	c.goes(func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
			c.compareWithSome(2)
		}
	})
}
