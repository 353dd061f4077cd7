package balance

// collector.go shows all pools as Prometheus metrics, read when they are scraped.

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	gobalance "github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
)

// mostUpstreams caps the upstreams shown, over all pools: each has about thirty
// series, and a source of dynamic upstreams could name any number.
const mostUpstreams = 500

func init() { metricset.Add(new(collector)) }

// collector implements prometheus.Collector. It has no state: upstreams that left
// leave no series behind, and values survive reloads as the pools do.
type collector struct{}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_"+name, help, labels, nil)
}

var (
	attemptsDesc  = desc("upstream_attempts_total", "Attempts to get an answer from an upstream, retries included, by how they ended.", "pool", "upstream", "outcome")
	rateDesc      = desc("upstream_success_ratio", "Moving average of the success of attempts, between 0 and 1.", "pool", "upstream")
	weightDesc    = desc("upstream_effective_weight", "Weight that the upstream is picked by.", "pool", "upstream")
	truncatedDesc = desc("upstream_truncated_total", "Answers of an upstream that broke off after their headers.", "pool", "upstream")
	inFlightDesc  = desc("upstream_requests_in_flight", "Attempts whose answer is not over; a switched protocol counts until its headers.", "pool", "upstream")
	ejectedDesc   = desc("upstream_ejected", "1 while the upstream is to be out of the rotation after failures.", "pool", "upstream")
	firstByteDesc = desc("upstream_first_byte_seconds", "Time from sending a request to an upstream to its answer's headers.", "pool", "upstream")
	breakerDesc   = desc("upstream_breaker_state", "State of the upstream's circuit breaker: 0 closed, 1 half-open, 2 open.", "pool", "upstream")
	turnsDesc     = desc("upstream_breaker_changes_total", "Changes of the state of the upstream's circuit breaker.", "pool", "upstream", "to")
	wouldSkipDesc = desc("upstream_breaker_would_skip_total", "Attempts that the upstream's circuit breaker would have had go elsewhere, were it not in a dry run.", "pool", "upstream")
	panicDesc     = desc("pool_panic", "1 while ejections are ignored because too many upstreams are ejected.", "pool")
	retriesDesc   = desc("pool_retries_total", "Second and later attempts for a request.", "pool")
	deniedDesc    = desc("pool_retries_denied_total", "Retries that the retry budget did not allow.", "pool")
	limitedDesc   = desc("pool_max_concurrent_refused_total", "Requests refused because no upstream could have another attempt.", "pool")
	unlistedDesc  = desc("pool_upstreams_unlisted", "Upstreams left out of the metrics because there are too many.", "pool")

	descs = []*prometheus.Desc{
		attemptsDesc, truncatedDesc, rateDesc, weightDesc, inFlightDesc, ejectedDesc, firstByteDesc,
		breakerDesc, turnsDesc, wouldSkipDesc, panicDesc, retriesDesc, deniedDesc, limitedDesc, unlistedDesc,
	}
)

// Describe implements prometheus.Collector.
func (*collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (*collector) Collect(ch chan<- prometheus.Metric) {
	left := mostUpstreams
	for _, held := range livestate.Default.List() {
		policy, ok := held.View.(*Policy)
		if !ok {
			continue
		}
		pool := policy.snapshot()
		gauge(ch, panicDesc, one(pool.Panic), pool.Name)
		counter(ch, retriesDesc, pool.Retries, pool.Name)
		counter(ch, deniedDesc, pool.RetriesDenied, pool.Name)
		counter(ch, limitedDesc, pool.MaxConcurrentRefused, pool.Name)
		listed := min(left, len(pool.Upstreams))
		left -= listed
		gauge(ch, unlistedDesc, float64(len(pool.Upstreams)-listed), pool.Name)
		collectUpstreams(ch, pool.Name, pool.Upstreams[:listed])
	}
}

func collectUpstreams(ch chan<- prometheus.Metric, pool string, upstreams []gobalance.UpstreamSnapshot) {
	for i := range upstreams {
		u := &upstreams[i]
		for outcome, n := range u.Attempts {
			counter(ch, attemptsDesc, n, pool, u.Address, outcome)
		}
		counter(ch, truncatedDesc, u.Truncated, pool, u.Address)
		gauge(ch, rateDesc, u.SuccessRate, pool, u.Address)
		gauge(ch, weightDesc, u.EffectiveWeight, pool, u.Address)
		gauge(ch, inFlightDesc, float64(u.InFlight), pool, u.Address)
		gauge(ch, ejectedDesc, one(u.State == "ejected"), pool, u.Address)
		collectBreaker(ch, pool, u)
		buckets := make(map[float64]uint64, len(gobalance.FirstByteBounds))
		for b, bound := range gobalance.FirstByteBounds {
			buckets[bound.Seconds()] = u.FirstByte.Cumulative[b]
		}
		ch <- prometheus.MustNewConstHistogram(firstByteDesc, u.FirstByte.Count, u.FirstByte.Sum.Seconds(), buckets, valid([]string{pool, u.Address})...)
	}
}

// collectBreaker shows nothing of an upstream that has no breaker.
func collectBreaker(ch chan<- prometheus.Metric, pool string, u *gobalance.UpstreamSnapshot) {
	if u.Breaker == nil {
		return
	}
	gauge(ch, breakerDesc, float64(u.BreakerState), pool, u.Address)
	counter(ch, wouldSkipDesc, u.Breaker.WouldRefuse[circuit.ReasonOpen]+u.Breaker.WouldRefuse[circuit.ReasonForced], pool, u.Address)
	for state, n := range u.BreakerChanges {
		counter(ch, turnsDesc, n, pool, u.Address, state)
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, valid(labels)...)
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, value uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), valid(labels)...)
}

// valid makes labels of texts that may not be UTF-8: an address comes from any
// source of upstreams, and an invalid label would end the process.
func valid(labels []string) []string {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
	}
	return labels
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Interface guards
var _ prometheus.Collector = (*collector)(nil)
