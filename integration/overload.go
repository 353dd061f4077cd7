package integration

// overload.go holds a back end with a limited number of places and a load that does
// not wait for answers.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Places has a back end work on as many requests at once as it has places, for the
// same time each. The others wait, in the order they came, until their client leaves.
func (b *Backend) Places(places int, service time.Duration) {
	free := make(chan struct{}, places)
	b.Handle("/places", func(w http.ResponseWriter, r *http.Request) {
		b.requests.Add(1)
		select {
		case free <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		time.Sleep(service) // the work
		<-free
		_, _ = io.WriteString(w, "hello from "+b.Name+"\n")
	})
}

// rampUp is how long a flood takes to its full rate: connections are made meanwhile.
const rampUp = time.Second

// Flood sends up to rate requests a second for a while, however many are unanswered.
// Clients leave after patience; what they do not have by then is a failure.
//
// net/http's client would need more of the machine than the gateway. This one writes
// bytes to connections and keeps those that are not in use.
func Flood(ctx context.Context, target string, rate float64, lasts, patience time.Duration) *Result {
	f, err := newFlooder(target, patience)
	if err != nil {
		return &Result{Samples: []Sample{{Failure: err.Error(), Unanswered: true}}}
	}
	defer f.close()
	// when the nth request is due: the rate grows with time at first
	due := func(n int) time.Duration {
		t := math.Sqrt(2 * float64(n) * rampUp.Seconds() / rate)
		if t > rampUp.Seconds() {
			t = float64(n)/rate + rampUp.Seconds()/2
		}
		return time.Duration(t * float64(time.Second))
	}
	var samples []Sample
	var collecting sync.Mutex
	start := time.Now()
	var requests sync.WaitGroup
	for n := 0; due(n) < lasts && ctx.Err() == nil; n++ {
		at := due(n)
		time.Sleep(time.Until(start.Add(at)))
		requests.Go(func() {
			s := Sample{At: at, Failure: f.request(start.Add(at))}
			s.Latency = time.Since(start.Add(at))
			collecting.Lock()
			defer collecting.Unlock()
			samples = append(samples, s)
		})
	}
	requests.Wait()
	r := &Result{Samples: samples, Took: time.Since(start)}
	r.sort()
	return r
}

// flooder is the client of a flood.
type flooder struct {
	host     string
	text     []byte
	patience time.Duration

	mu   sync.Mutex
	idle []*floodConn
}

type floodConn struct {
	net.Conn
	reader *bufio.Reader
}

func newFlooder(target string, patience time.Duration) (*flooder, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", u.RequestURI(), u.Host)
	return &flooder{host: u.Host, text: text, patience: patience}, nil
}

// request sends a request that was due and returns its failure, as of a Sample.
func (f *flooder) request(due time.Time) (failure string) {
	deadline := due.Add(f.patience)
	conn, err := f.connection(deadline)
	if err != nil {
		return describe(err)
	}
	_ = conn.SetDeadline(deadline)
	if _, err := conn.Write(f.text); err != nil {
		_ = conn.Close()
		return describe(err)
	}
	res, err := http.ReadResponse(conn.reader, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
	}
	if err != nil || res.Close {
		_ = conn.Close()
	} else {
		f.mu.Lock()
		f.idle = append(f.idle, conn)
		f.mu.Unlock()
	}
	switch {
	case err != nil:
		return describe(err)
	case res.StatusCode/100 != 2:
		return strconv.Itoa(res.StatusCode)
	default:
		return ""
	}
}

func (f *flooder) connection(deadline time.Time) (*floodConn, error) {
	f.mu.Lock()
	if last := len(f.idle) - 1; last >= 0 {
		conn := f.idle[last]
		f.idle = f.idle[:last]
		f.mu.Unlock()
		return conn, nil
	}
	f.mu.Unlock()
	conn, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", f.host)
	if err != nil {
		return nil, err
	}
	return &floodConn{conn, bufio.NewReader(conn)}, nil
}

func (f *flooder) close() {
	for _, conn := range f.idle {
		_ = conn.Close()
	}
}

// Goodput is how many requests a second got their answer within a deadline, of those
// that were sent between two times of the load.
func (r *Result) Goodput(from, to, deadline time.Duration) float64 {
	n := 0
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.At >= from && s.At < to && s.Failure == "" && s.Latency <= deadline {
			n++
		}
	}
	return float64(n) / (to - from).Seconds()
}

// Admitted are the requests that were not refused with a 503.
func (r *Result) Admitted() *Result {
	admitted := &Result{Took: r.Took}
	admitted.Samples = slices.DeleteFunc(slices.Clone(r.Samples), func(s Sample) bool { return s.Failure == "503" })
	return admitted
}

// CPU returns the CPU time that the gateway's process has used.
func (g *Gateway) CPU(t testing.TB) time.Duration {
	t.Helper()
	seconds := g.Metrics().Sum("process_cpu_seconds_total")
	if seconds == 0 {
		t.Fatal("the metrics lack process_cpu_seconds_total")
	}
	return time.Duration(seconds * float64(time.Second))
}
