package relay

// fixture_test.go has what the tests of relays share: an outbox in a real PostgreSQL with
// the settings of its relays.

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/internal/outboxtest"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/sink"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// deadline is how long tests wait for what should happen soon.
const deadline = outboxtest.Deadline

// fixture is an outbox with the settings and metrics of its relays.
type fixture struct {
	*outboxtest.Outbox
	settings Settings
	registry *prometheus.Registry
	metrics  *Metrics
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return fixtureAt(t, testserver.Database(t))
}

func fixtureAt(t *testing.T, url string) *fixture {
	t.Helper()
	f := &fixture{Outbox: outboxtest.At(t, url), settings: DefaultSettings(), registry: prometheus.NewRegistry()}
	f.settings.Database, f.settings.Listen = f.Config, f.Config
	f.settings.PollMax = 20 * time.Millisecond
	f.settings.Retry = backoff.Policy{Base: 20 * time.Millisecond, Cap: 50 * time.Millisecond}
	f.settings.Outage = backoff.Policy{Base: 20 * time.Millisecond, Cap: 50 * time.Millisecond}
	metrics, err := NewMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	f.metrics = metrics
	return f
}

// start runs a relay until the test ends or the returned function is called.
func (f *fixture) start(to sink.Sink, change ...func(*Settings)) (stop func()) {
	f.Helper()
	settings := f.settings
	for _, c := range change {
		c(&settings)
	}
	r, err := New(settings, to, f.metrics, zaptest.NewLogger(f, zaptest.Level(zap.WarnLevel)))
	if err != nil {
		f.Fatal(err)
	}
	return f.Start(r.Run)
}

// connected waits until all workers of the one relay are.
func (f *fixture) connected() {
	f.Helper()
	f.Eventually(fmt.Sprint(f.settings.Workers), func() string { return fmt.Sprint(f.metric("outbox_workers_connected")) })
}

func (f *fixture) metric(name string) float64 {
	f.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.Metric {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// labelled is the sum of those values of a counter that have a label.
func (f *fixture) labelled(name, label, value string) (sum float64) {
	f.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			for _, l := range m.Label {
				if family.GetName() == name && l.GetName() == label && l.GetValue() == value {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// receiver is a sink that does what a test says, and remembers what it was given.
type receiver = outboxtest.Receiver

// moments are when something happened.
type moments struct {
	mu sync.Mutex
	at []time.Time
}

// note adds this moment, and returns how many there are.
func (m *moments) note() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = append(m.at, time.Now())
	return len(m.at)
}

// between is the time from one moment to another, the first of which is 0.
func (m *moments) between(i, k int) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at[k].Sub(m.at[i])
}

func refuse(err error) sink.Result { return sink.Result{Outcome: sink.Refused, Err: err} }

var errNo = fmt.Errorf("no")
