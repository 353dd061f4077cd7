package integration

// load.go sends requests and notes how they end.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// requestTimeout ends requests that would hang a test.
const requestTimeout = 60 * time.Second

// mostOpen bounds the requests of an open loop that are under way at once.
const mostOpen = 2000

// Sample is one request as its client saw it.
type Sample struct {
	// At is when it was due, since the load began.
	At time.Duration
	// Latency is the time from then until the whole answer was there.
	Latency time.Duration
	// Failure is empty for a 2xx, else the status or the error.
	Failure string
	// Unanswered is true if the failure is of the connection, before any header.
	Unanswered bool
}

// Result is what came of a load.
type Result struct {
	Samples []Sample
	Took    time.Duration
	// UnderWay is how many requests of an open loop were under way at once at the most: few, unless they stall, or the
	// machine stopped for a moment.
	UnderWay int
}

// Requests is how many requests were made.
func (r *Result) Requests() int { return len(r.Samples) }

// Failed is how many of them failed.
func (r *Result) Failed() int {
	n := 0
	for i := range r.Samples {
		if r.Samples[i].Failure != "" {
			n++
		}
	}
	return n
}

// Unanswered is how many failed without any answer. A reload can do that to a new
// connection, whatever the handlers do: each configuration listens on a socket of
// its own, and what the kernel queued on the old one is reset when that is closed,
// a moment after the reload is reported done.
func (r *Result) Unanswered() int {
	n := 0
	for i := range r.Samples {
		if r.Samples[i].Unanswered {
			n++
		}
	}
	return n
}

// FailedAnswers is how many got an answer, and that is a failure.
func (r *Result) FailedAnswers() int { return r.Failed() - r.Unanswered() }

// SuccessShare is the part of the requests that succeeded.
func (r *Result) SuccessShare() float64 {
	if len(r.Samples) == 0 {
		return 0
	}
	return 1 - float64(r.Failed())/float64(len(r.Samples))
}

// Failures counts failures by what happened.
func (r *Result) Failures() map[string]int {
	failures := make(map[string]int)
	for i := range r.Samples {
		if r.Samples[i].Failure != "" {
			failures[r.Samples[i].Failure]++
		}
	}
	return failures
}

// Latency returns a quantile, between 0 and 1, of the latencies.
func (r *Result) Latency(quantile float64) time.Duration {
	if len(r.Samples) == 0 {
		return 0
	}
	latencies := make([]time.Duration, len(r.Samples))
	for i := range r.Samples {
		latencies[i] = r.Samples[i].Latency
	}
	slices.Sort(latencies)
	return latencies[int(quantile*float64(len(latencies)-1))]
}

// String says it in one line.
func (r *Result) String() string {
	return fmt.Sprintf("%d requests in %.1f s, %d failed %v, median %v, p99 %v", r.Requests(), r.Took.Seconds(),
		r.Failed(), r.Failures(), r.Latency(0.5).Round(time.Microsecond), r.Latency(0.99).Round(time.Microsecond))
}

// NewClient returns a client that keeps up to n connections and follows no proxy
// of the environment and no redirect.
func NewClient(n int) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: n, MaxConnsPerHost: n},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       requestTimeout,
	}
}

// Closed sends count requests over n keep-alive connections, each connection's
// next one when the last is answered.
func Closed(ctx context.Context, target string, n, count int) *Result {
	client := NewClient(n)
	defer client.CloseIdleConnections()
	samples := make(chan Sample, count)
	due := make(chan struct{}, count)
	for range count {
		due <- struct{}{}
	}
	close(due)
	start := time.Now()
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for range due {
				if ctx.Err() != nil {
					return
				}
				samples <- request(ctx, client, target, start, time.Now())
			}
		})
	}
	workers.Wait()
	return collect(samples, start)
}

// Steady sends rate requests a second over n keep-alive connections, on each one
// after the other, until ctx ends. No connection is made but in place of one that
// the server closed.
func Steady(ctx context.Context, target string, n int, rate float64) *Result {
	perConnection := make([]*Result, n)
	start := time.Now()
	var workers sync.WaitGroup
	for i := range n {
		workers.Go(func() {
			client := NewClient(1)
			defer client.CloseIdleConnections()
			tick := time.NewTicker(time.Duration(float64(n) / rate * float64(time.Second)))
			defer tick.Stop()
			r := new(Result)
			perConnection[i] = r
			for ctx.Err() == nil {
				r.Samples = append(r.Samples, request(context.WithoutCancel(ctx), client, target, start, time.Now()))
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	workers.Wait()
	all := &Result{Took: time.Since(start)}
	for _, r := range perConnection {
		all.Samples = append(all.Samples, r.Samples...)
	}
	all.sort()
	return all
}

// Join makes one result of loads that came one after the other, as if each had
// begun when the one before it was over.
func Join(results ...*Result) *Result {
	all := new(Result)
	for _, r := range results {
		for _, sample := range r.Samples {
			sample.At += all.Took
			all.Samples = append(all.Samples, sample)
		}
		all.Took += r.Took
	}
	return all
}

// Open sends rate requests a second, whether answers come or not, over as many as
// n connections that are kept, until count are sent or ctx ends.
func Open(ctx context.Context, target string, n int, rate float64, count int) *Result {
	client := NewClient(n)
	defer client.CloseIdleConnections()
	samples := make(chan Sample, count)
	open := make(chan struct{}, mostOpen)
	start := time.Now()
	underWay := 0
	var requests sync.WaitGroup
	for i := range count {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		open <- struct{}{}
		underWay = max(underWay, len(open))
		requests.Go(func() {
			// What is under way when the load ends is let end: it is not a failure.
			samples <- request(context.WithoutCancel(ctx), client, target, start, due)
			<-open
		})
	}
	requests.Wait()
	r := collect(samples, start)
	r.UnderWay = underWay
	return r
}

func collect(samples chan Sample, start time.Time) *Result {
	close(samples)
	r := &Result{Took: time.Since(start)}
	for s := range samples {
		r.Samples = append(r.Samples, s)
	}
	r.sort()
	return r
}

func (r *Result) sort() {
	slices.SortFunc(r.Samples, func(a, b Sample) int { return int(a.At - b.At) })
}

func request(ctx context.Context, client *http.Client, target string, start, due time.Time) Sample {
	s := Sample{At: due.Sub(start)}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	var res *http.Response
	if err == nil {
		res, err = client.Do(r)
	}
	if err != nil {
		s.Failure, s.Unanswered = describe(err), true
	} else {
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		switch {
		case err != nil:
			s.Failure = "broken answer: " + describe(err)
		case res.StatusCode/100 != 2:
			s.Failure = strconv.Itoa(res.StatusCode)
		}
	}
	s.Latency = time.Since(due)
	return s
}

// describe cuts from an error what is different every time.
func describe(err error) string {
	var urlError *url.Error
	if errors.As(err, &urlError) {
		err = urlError.Err
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return text
}
