package membership

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/serf/serf"
)

func TestEventsBecomeLiveness(t *testing.T) {
	type step struct {
		kind kind
		tags string // of the event
		want string // liveness, "" if unknown
		news bool
	}
	suspected, refuted, goodbye := kind(100), kind(101), kind(102)
	for name, steps := range map[string][]step{
		"life":               {{joined, "a", "alive", true}, {updated, "b", "alive", true}, {left, "b", "left", true}, {reaped, "b", "", true}},
		"said twice":         {{joined, "a", "alive", true}, {joined, "a", "alive", false}, {updated, "a", "alive", false}},
		"failed and back":    {{joined, "a", "alive", true}, {failed, "a", "failed", true}, {joined, "a", "alive", true}},
		"failed and left":    {{joined, "a", "alive", true}, {failed, "a", "failed", true}, {left, "a", "left", true}},
		"goodbye":            {{joined, "a", "alive", true}, {goodbye, "", "alive", false}, {failed, "a", "left", true}, {left, "a", "left", false}},
		"late goodbye":       {{joined, "a", "alive", true}, {failed, "a", "failed", true}, {goodbye, "", "left", true}},
		"goodbye and back":   {{joined, "a", "alive", true}, {goodbye, "", "alive", false}, {failed, "a", "left", true}, {joined, "a", "alive", true}, {failed, "a", "failed", true}},
		"suspected":          {{joined, "a", "alive", true}, {suspected, "", "suspect", true}, {suspected, "", "suspect", false}, {failed, "a", "failed", true}, {suspected, "", "failed", false}},
		"refuted":            {{joined, "a", "alive", true}, {suspected, "", "suspect", true}, {refuted, "", "alive", true}, {refuted, "", "alive", false}},
		"update of suspect":  {{joined, "a", "alive", true}, {suspected, "", "suspect", true}, {updated, "b", "suspect", true}, {refuted, "", "alive", true}},
		"unknown":            {{suspected, "", "", false}, {refuted, "", "", false}, {reaped, "", "", false}},
		"update of unknown":  {{updated, "a", "alive", true}},
		"failure of unknown": {{failed, "a", "failed", true}},
	} {
		v := newView()
		now := time.Now()
		incarnation := uint32(1)
		for i, s := range steps {
			now = now.Add(time.Second)
			for len(v.changed) > 0 {
				<-v.changed
			}
			before, knew := v.member("x")
			switch s.kind {
			case suspected:
				v.suspected(now, "x", incarnation)
			case refuted:
				if before.Liveness == Suspect {
					incarnation++
				}
				v.refuted(now, "x", incarnation)
			case goodbye:
				v.saidGoodbye(now, "x", incarnation)
			default:
				v.apply(now, event{s.kind, Member{ID: "x", Name: s.tags}})
			}
			m, ok := v.member("x")
			got := ""
			if ok {
				got = m.Liveness.String()
			}
			if got != s.want || len(v.changed) > 0 != s.news {
				t.Errorf("%s, step %d: %q, news %v", name, i, got, len(v.changed) > 0)
			}
			if ok && (!knew || m.Liveness != before.Liveness) != m.Since.Equal(now) {
				t.Errorf("%s, step %d: since %v", name, i, now.Sub(m.Since))
			}
		}
	}
}

func TestOldRumoursAreNotBelieved(t *testing.T) {
	v := newView()
	now := time.Now()
	v.apply(now, event{joined, Member{ID: "x"}}, event{joined, Member{ID: "me", Self: true}})
	v.refuted(now, "x", 5)
	v.suspected(now, "x", 4)
	v.suspected(now, "me", 9)
	v.saidGoodbye(now, "x", 4)
	v.saidGoodbye(now, "me", 9)
	for _, m := range v.members() {
		if m.Liveness != Alive || m.goodbye {
			t.Errorf("%+v", m)
		}
	}
	v.suspected(now, "x", 5)
	v.refuted(now, "x", 5) // the same news as before the suspicion
	if m, _ := v.member("x"); m.Liveness != Suspect || m.Incarnation != 5 {
		t.Errorf("%+v", m)
	}
	if n := v.expire(now.Add(time.Minute), time.Hour); n != 0 {
		t.Error(n)
	}
	if n := v.expire(now.Add(2*time.Hour), time.Hour); n != 1 {
		t.Error(n)
	}
}

func TestRepairLeavesAloneWhatHasChanged(t *testing.T) {
	v := newView()
	now := time.Now()
	v.apply(now, event{joined, Member{ID: "a"}}, event{joined, Member{ID: "b"}})
	since := v.revisions()
	v.apply(now, event{failed, Member{ID: "b"}}, event{joined, Member{ID: "c"}})
	n := v.repair(now, since, []event{{failed, Member{ID: "a"}}, {left, Member{ID: "b"}}, {reaped, Member{ID: "c"}}, {joined, Member{ID: "d"}}})
	var got []string
	for _, m := range v.members() {
		got = append(got, m.ID+" "+m.Liveness.String())
	}
	if n != 2 || strings.Join(got, ", ") != "a failed, b failed, c alive, d alive" {
		t.Error(n, got)
	}
}

func TestEveryEventOfTheLibraryIsKnown(t *testing.T) {
	c := &Cluster{queries: make(chan *serf.Query, 1)}
	for _, typ := range []serf.EventType{serf.EventMemberJoin, serf.EventMemberLeave, serf.EventMemberFailed, serf.EventMemberUpdate, serf.EventMemberReap} {
		batch := c.translate(nil, serf.MemberEvent{Type: typ, Members: []serf.Member{{Name: "x"}, {Name: "y"}}})
		if len(batch) != 2 || batch[1].m.ID != "y" {
			t.Errorf("%s: %+v", typ, batch)
		}
	}
	if batch := c.translate(nil, serf.UserEvent{}); len(batch) != 0 {
		t.Error("a user event is none of a member")
	}
	for range 3 { // more than there is room for
		c.translate(nil, new(serf.Query))
	}
}

func TestSuperseded(t *testing.T) {
	now := time.Now()
	old := Member{ID: "a", Name: "n", Gossip: "1:1", Liveness: Failed, Boot: now}
	for name, tt := range map[string]struct {
		other Member
		want  bool
	}{
		"same address":      {Member{ID: "b", Name: "m", Gossip: "1:1", Boot: now.Add(1)}, true},
		"same name":         {Member{ID: "b", Name: "n", Gossip: "1:2", Boot: now.Add(1)}, true},
		"neither":           {Member{ID: "b", Name: "m", Gossip: "1:2", Boot: now.Add(1)}, false},
		"older":             {Member{ID: "b", Name: "n", Gossip: "1:1", Boot: now.Add(-1)}, false},
		"has failed itself": {Member{ID: "b", Name: "n", Gossip: "1:1", Boot: now.Add(1), Liveness: Failed}, false},
	} {
		if got := superseded(&old, []Member{old, tt.other}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
