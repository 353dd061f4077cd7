package consul

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/governance/livestate"
)

// show puts a source into the registry that the collector reads.
func show(t *testing.T, s *source) (hide func()) {
	t.Helper()
	_, handle, err := livestate.Acquire(livestate.Default, livestate.Claim{
		Key: livestate.Key{Kind: discoveryKind, Name: s.name}, Configuration: t,
	}, func() (*watch, error) { return s.watch, nil })
	if err != nil {
		t.Fatal(err)
	}
	handle.Show(s)
	return func() { s.watch.leave(s); handle.Release() }
}

// discovered gathers the metrics of consul_kv:web, without the prefix of their names.
func discovered(t *testing.T) map[string]float64 {
	t.Helper()
	metrics := prometheus.NewPedanticRegistry()
	metrics.MustRegister(discoveryCollector{})
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.Metric {
			name := strings.TrimPrefix(family.GetName(), "gateway_discovery_")
			for _, label := range m.Label {
				switch label.GetName() {
				case "source":
					if label.GetValue() != "consul_kv:web" {
						t.Errorf("%s is of the source %s", name, label.GetValue())
					}
				default:
					name += " " + label.GetValue()
				}
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestDiscoveryMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := discovered(t); len(got) != 0 {
			t.Errorf("without a source there are %v", got)
		}
		elsewhere := func(i *lease.Instance) { i.Address = "192.0.2.1" }
		r := newRegistry(member(1, nil), member(2, nil), member(3, nil), member(4, nil), member(5, drains), member(6, secure), member(7, elsewhere))
		s := newSource(newWatch(), r, "a")
		s.settings.Allow = append(s.settings.Allow, mustPrefix(t, "10.0.0.0/8"))
		hide := show(t, s)
		defer hide()
		check := func(when string, want map[string]float64) {
			t.Helper()
			synctest.Wait()
			got := discovered(t)
			if len(got) != 16 {
				t.Errorf("%s there are %d series, want 16: %v", when, len(got), got)
			}
			maps.DeleteFunc(got, func(_ string, v float64) bool { return v == 0 })
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s those above 0 are\n%v, want\n%v", when, got, want)
			}
		}
		now := func() float64 { return float64(time.Now().UnixMilli()) / 1000 }
		check("at first", map[string]float64{
			"up": 1, "answers_total": 1, "answered_timestamp_seconds": now(), "index": 1,
			"instances used": 4, "instances draining": 1, "instances wrong_scheme": 1, "instances refused": 1,
		})
		time.Sleep(10 * time.Second)
		r.change(func() { r.list = r.list[4:] }) // four of six go; three may
		check("after four have gone", map[string]float64{
			"up": 1, "answers_total": 2, "answered_timestamp_seconds": now(), "index": 2, "held_total": 1,
			"instances used": 1, "instances draining": 1, "instances wrong_scheme": 1, "instances refused": 1, "instances held": 1,
		})
		time.Sleep(20 * time.Second) // the last one goes
		r.is(true)
		time.Sleep(100 * time.Millisecond)
		before := discovered(t)
		next := newSource(s.watch, r, "b")
		defer s.watch.leave(next)
		next.Lead()
		check("after it was replaced while nobody answers", map[string]float64{
			"answers_total": before["answers_total"], "answered_timestamp_seconds": before["answered_timestamp_seconds"],
			"errors_total": before["errors_total"] + 1, "held_total": 1,
			"instances used": 1, "instances wrong_scheme": 1,
		})
	})
}
