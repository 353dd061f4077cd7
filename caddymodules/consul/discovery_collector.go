package consul

// discovery_collector.go shows all sources of upstreams as Prometheus metrics, read when
// they are scraped.

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
)

// mostSources caps the sources shown: each has 16 series.
const mostSources = 200

func init() { metricset.Add(discoveryCollector{}) }

// discoveryCollector implements prometheus.Collector. It has no state: sources that are
// gone leave no series behind, and values survive reloads as watches do.
type discoveryCollector struct{}

func discoveryDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_discovery_"+name, help, append([]string{"source"}, labels...), nil)
}

var (
	upDesc            = discoveryDesc("up", "1 while Consul answers what it is asked about the instances.")
	instancesDesc     = discoveryDesc("instances", "Instances by what becomes of them: used, draining, wrong_scheme; held are in use though Consul tells of them no more; malformed, refused and superseded are told of and not used.", "state")
	answersDesc       = discoveryDesc("answers_total", "Questions that Consul answered.")
	errorsDesc        = discoveryDesc("errors_total", "Questions that were not answered.")
	answeredDesc      = discoveryDesc("answered_timestamp_seconds", "When the latest question was answered, in Unix time; 0 if none was.")
	indexDesc         = discoveryDesc("index", "Consul's index in the latest answer.")
	fromCacheDesc     = discoveryDesc("from_cache", "1 while the instances are those of the cache file, because no question was answered yet.")
	heldTotalDesc     = discoveryDesc("held_total", "Instances that were held back because too many went at a time.")
	emptyDoubtedDesc  = discoveryDesc("empty_doubted_total", "How often there were no instances any more, which was not believed at once.")
	emptyBelievedDesc = discoveryDesc("empty_believed_total", "How often there being no instances was believed in the end.")
)

// Describe implements prometheus.Collector.
func (discoveryCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		upDesc, instancesDesc, answersDesc, errorsDesc, answeredDesc, indexDesc, fromCacheDesc,
		heldTotalDesc, emptyDoubtedDesc, emptyBelievedDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (discoveryCollector) Collect(ch chan<- prometheus.Metric) {
	left := mostSources
	for _, held := range livestate.Default.List() {
		if s, ok := held.View.(*source); ok && left > 0 {
			left--
			s.snapshot(s.watch.set()).collect(ch)
		}
	}
}

func (s discoverySnapshot) collect(ch chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, append([]string{s.Name}, labels...)...)
	}
	for _, is := range []struct {
		desc  *prometheus.Desc
		state bool
	}{{upDesc, s.Up}, {fromCacheDesc, s.FromCache}} {
		value := 0.0
		if is.state {
			value = 1
		}
		show(is.desc, prometheus.GaugeValue, value)
	}
	for _, are := range []struct {
		state string
		count int
	}{
		{"used", s.Used}, {"draining", s.Idle}, {"wrong_scheme", s.WrongScheme},
		{"held", s.Held}, {"malformed", s.Malformed}, {"refused", s.Refused}, {"superseded", s.Superseded},
	} {
		show(instancesDesc, prometheus.GaugeValue, float64(are.count), are.state)
	}
	answered := 0.0
	if !s.AnsweredAt.IsZero() {
		answered = float64(s.AnsweredAt.UnixMilli()) / 1000
	}
	show(answeredDesc, prometheus.GaugeValue, answered)
	show(indexDesc, prometheus.GaugeValue, float64(s.Index))
	for _, counted := range []struct {
		desc  *prometheus.Desc
		count uint64
	}{
		{answersDesc, s.Answers}, {errorsDesc, s.Errors}, {heldTotalDesc, s.HeldTotal},
		{emptyDoubtedDesc, s.EmptyDoubted}, {emptyBelievedDesc, s.EmptyBelieved},
	} {
		show(counted.desc, prometheus.CounterValue, float64(counted.count))
	}
}

// Interface guards
var _ prometheus.Collector = discoveryCollector{}
