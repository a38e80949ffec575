package main

import (
	"fmt"
	"math"
	"time"

	"shoal/compat/internal/chaos"
	"shoal/compat/internal/lab"
)

// scenario is something that is done to a cluster.
type scenario struct {
	name, about string
	columns     []column
	run         func(c chaos.Contestant) ([]float64, error)
}

func (s *scenario) table() *table { return &table{columns: s.columns} }

var seconds = func(s chaos.Seconds) float64 { return float64(s) }

// lossColumns are what every scenario tells of messages.
var lossColumns = []column{
	{"queue lost", shownCount}, {"queue late", shownCount}, {"doubled", shownCount},
	{"plain lost", shownCount}, {"plain late", shownCount}, {"doubled", shownCount},
}

func losses(o *chaos.Outcome) []float64 {
	return []float64{
		float64(o.Queue.Lost), float64(o.Queue.Late), float64(o.Queue.Doubled),
		float64(o.Plain.Lost), float64(o.Plain.Late), float64(o.Plain.Doubled),
	}
}

// gone is a scenario in which somebody is gone for some time.
func gone(name, about string, run func(chaos.Contestant, chaos.Settings) (chaos.Outcome, error), s chaos.Settings) scenario {
	return scenario{name, about, append([]column{
		{"out of queues", shownSeconds}, {"out of connect_urls", shownSeconds}, {"out of routes", shownSeconds},
		{"healed", shownSeconds}, {"missed until noticed", shownShare}, {"missed later", shownCount},
	}, lossColumns...), func(c chaos.Contestant) ([]float64, error) {
		o, err := run(c, s)
		missed := math.NaN()
		if o.Noticing.Sent > 0 {
			missed = float64(o.Noticing.Lost+o.Noticing.Late) / float64(o.Noticing.Sent)
		}
		return append([]float64{
			seconds(o.OutOfQueues), seconds(o.OutOfURLs), seconds(o.OutOfRoutes), seconds(o.Healed),
			missed, float64(o.After.Lost + o.After.Late),
		}, losses(&o)...), err
	}}
}

// faulty is a scenario in which all nodes work all the time.
func faulty(name, about string, run func(chaos.Contestant, chaos.Settings) (chaos.Outcome, error), s chaos.Settings) scenario {
	return scenario{name, about, append([]column{
		{"addresses withdrawn", shownCount}, {"routes cut", shownCount}, {"healed", shownSeconds},
	}, lossColumns...), func(c chaos.Contestant) ([]float64, error) {
		o, err := run(c, s)
		return append([]float64{float64(o.Withdrawn), float64(o.Cut), seconds(o.Healed)}, losses(&o)...), err
	}}
}

func all(nodes []*lab.Node) []*lab.Node { return nodes }

func last(nodes []*lab.Node) []*lab.Node { return nodes[len(nodes)-1:] }

// scenarios are all there are.
func scenarios(o options) []scenario {
	s := o.settings
	list := []scenario{
		gone("kill", "one of 4 nodes is killed, and started again when all have noticed", chaos.Kill, s),
		gone("leave", "one of 4 nodes is asked to stop, and started again", chaos.Leave, s),
		gone("freeze", "the process of one of 4 nodes is stopped, and goes on when all have noticed", chaos.Freeze, s),
		gone("partition", fmt.Sprintf("two and two of 4 nodes do not hear of each other for %v", s.Split), chaos.Partition, s),
	}
	broken := func(name, about string, fault lab.Fault, which func([]*lab.Node) []*lab.Node) {
		list = append(list, faulty(name, about, func(c chaos.Contestant, s chaos.Settings) (chaos.Outcome, error) {
			return chaos.Break(c, s, fault, which)
		}, s))
	}
	for _, percent := range []int{10, 30, 50} {
		broken(fmt.Sprintf("loss%d", percent), fmt.Sprintf("%d %% of all packets between 4 nodes get lost for %v", percent, s.Fault),
			lab.Fault{Loss: float64(percent) / 100}, all)
	}
	broken("udploss30", fmt.Sprintf("30 %% of the UDP packets between 4 nodes get lost for %v", s.Fault),
		lab.Fault{Loss: 0.3, OnlyUDP: true}, all)
	broken("slow", fmt.Sprintf("one of 4 nodes is at a line of 1 Mbit/s and 100 ms in each direction for %v", s.Fault),
		lab.Fault{Delay: 100 * time.Millisecond, Rate: 125_000}, last)
	list = append(list, faulty("busy", fmt.Sprintf("all processors are kept busy by others for %v", s.Fault),
		chaos.Busy, s))
	for _, count := range []int{3, 10, o.big} {
		list = append(list, scenario{fmt.Sprintf("join%d", count),
			fmt.Sprintf("%d nodes that know only the first one become a full mesh with interest", count),
			[]column{{"full mesh", shownSeconds}},
			func(c chaos.Contestant) ([]float64, error) {
				took, err := chaos.Join(c, s, count)
				return []float64{seconds(took)}, err
			}})
	}
	list = append(list, scenario{"idle", fmt.Sprintf("what each of %d nodes costs while nothing happens, for %v", o.big, s.Fault),
		[]column{{"% of a core", shownPercent}, {"of the dearest", shownPercent}, {"bytes/s sent", shownCount}, {"MB", shownTenth}},
		func(c chaos.Contestant) ([]float64, error) {
			cost, err := chaos.Idle(c, o.big, s.Fault/2, s.Fault)
			if err != nil {
				return []float64{math.NaN(), math.NaN(), math.NaN(), math.NaN()}, err
			}
			return []float64{median(cost.CPU), quantile(cost.CPU, 1), median(cost.Bytes), median(cost.RSS) / 1e6}, nil
		}})
	return list
}
