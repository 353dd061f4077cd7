package openapi

// metrics.go counts what becomes of requests and answers, by operation. Counts belong to the contract's name and
// survive new documents and reloads.

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxOperations caps the operations of a contract that have series of their own; later ones share otherOperation.
const (
	maxOperations  = 1000
	otherOperation = "other"
)

// requestResult is what became of a request.
type requestResult uint8

const (
	requestOK requestResult = iota
	requestInvalid
	requestReported
	requestSkipped
	requestUnknownPath
	requestUnknownMethod
	requestUnsupported
	requestTooLarge
	requestUnavailable
)

var requestResults = [...]string{
	requestOK: "ok", requestInvalid: "invalid", requestReported: "reported", requestSkipped: "skipped",
	requestUnknownPath: "unknown_path", requestUnknownMethod: "unknown_method", requestUnsupported: "unsupported",
	requestTooLarge: "too_large", requestUnavailable: "unavailable",
}

// responseResult is what became of an answer.
type responseResult uint8

const (
	responseOK responseResult = iota
	responseInvalid
	responseReported
	responseSkipped
)

var responseResults = [...]string{
	responseOK: "ok", responseInvalid: "invalid", responseReported: "reported", responseSkipped: "skipped",
}

// secondsBuckets are those of a validation, which takes microseconds: 10 us to 100 ms.
var secondsBuckets = []float64{
	.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1,
}

// counts is what is counted of one contract. It is part of the live state.
type counts struct {
	seconds [len(directions)]prometheus.Histogram
	none    operationCounts // requests without an operation

	mu         sync.Mutex
	operations map[string]*operationCounts // by the label
}

// operationCounts is what is counted of one operation.
type operationCounts struct {
	label     string
	requests  [len(requestResults)]atomic.Uint64
	responses [len(responseResults)]atomic.Uint64

	mu         sync.Mutex
	violations map[violationKind]uint64
}

// violationKind is what violations are counted by. Codes come from the validators, which have a few dozen.
type violationKind struct {
	direction direction
	code      string
}

func newCounts(contract string) *counts {
	c := &counts{operations: make(map[string]*operationCounts)}
	vec := prometheus.NewHistogramVec(secondsOpts, []string{"contract", "direction"})
	for d := range c.seconds {
		c.seconds[d] = vec.WithLabelValues(contract, direction(d).String()).(prometheus.Histogram)
	}
	return c
}

// operation returns the counts under a label, the name of an operation.
func (c *counts) operation(label string) *operationCounts {
	label = strings.ToValidUTF8(label, "\uFFFD") // an invalid label would end the process
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.operations[label] == nil && len(c.operations) >= maxOperations {
		label = otherOperation
	}
	o := c.operations[label]
	if o == nil {
		o = &operationCounts{label: label}
		c.operations[label] = o
	}
	return o
}

// all returns the counts of all operations, and those without one.
func (c *counts) all() []*operationCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*operationCounts, 0, len(c.operations)+1)
	list = append(list, &c.none)
	for _, o := range c.operations {
		list = append(list, o)
	}
	return list
}

// totals are the requests and the violations of all operations.
func (c *counts) totals() (requests, violations uint64) {
	for _, o := range c.all() {
		for i := range o.requests {
			requests += o.requests[i].Load()
		}
		violations += o.violationsTotal()
	}
	return requests, violations
}

// took notes how long a validation took.
func (c *counts) took(d direction, time time.Duration) { c.seconds[d].Observe(time.Seconds()) }

// violated counts a violation.
func (o *operationCounts) violated(d direction, code string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.violations == nil {
		o.violations = make(map[violationKind]uint64)
	}
	o.violations[violationKind{d, code}]++
}

// kinds are the violations by direction and code.
func (o *operationCounts) kinds() map[violationKind]uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.violations)
}

func (o *operationCounts) violationsTotal() (n uint64) {
	for _, count := range o.kinds() {
		n += count
	}
	return n
}

// byResult are the requests by result, those that are not 0.
func (o *operationCounts) byResult() map[string]uint64 {
	results := make(map[string]uint64)
	for i := range o.requests {
		if n := o.requests[i].Load(); n > 0 {
			results[requestResults[i]] = n
		}
	}
	return results
}
