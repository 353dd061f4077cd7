package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/balance"
)

func noEndpoints(context.Context) ([]Endpoint, error) { return nil, nil }

// book is a source that tells what it is told.
type book struct {
	mu    sync.Mutex
	list  []Endpoint
	err   error
	asked int
}

func (b *book) Endpoints(context.Context) ([]Endpoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	return b.list, b.err
}

func (b *book) tell(list []Endpoint, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list, b.err = list, err
}

// hosts makes requests and returns how many each endpoint got.
func hosts(t *testing.T, transport *Transport, requests int) map[string]int {
	t.Helper()
	got := make(map[string]int)
	for range requests {
		_, body, err := get(transport, "http://orders/")
		if err != nil {
			t.Fatal(err)
		}
		got[body]++
	}
	return got
}

// known starts a Transport over a source, without a network, and without a log unless
// there is one.
func known(t *testing.T, source Source, s Settings) *Transport {
	t.Helper()
	s.Endpoints = source
	if s.Transport == nil {
		s.Transport = roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil })
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return newTransport(t, s)
}

func TestSourceIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &book{list: Static("a:1", "b:1")}
		transport := known(t, source, Settings{})
		if got := hosts(t, transport, 100); got["a:1"] != 50 || got["b:1"] != 50 {
			t.Errorf("requests went to %v, want half each", got)
		}
		source.tell(List{{Address: "b:1", Weight: 1}, {Address: "c:1", Weight: 3}}, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		// one that left gets nothing from then on, those that are there their shares
		got := hosts(t, transport, 4000)
		if got["a:1"] != 0 || got["b:1"] < 999 || got["b:1"] > 1001 {
			t.Errorf("requests went to %v, want none to a and a quarter to b", got)
		}
		time.Sleep(15 * time.Second)
		if got := hosts(t, transport, 100); got["b:1"] != 25 || got["c:1"] != 75 {
			t.Errorf("requests went to %v, want 25 to b and 75 to c", got)
		}
		if n := len(transport.Snapshot().Upstreams); n != 2 {
			t.Errorf("%d endpoints are shown, want 2", n)
		}
	})
}

func TestSourceIsAskedEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &book{list: Static("a:1")}
		transport := known(t, source, Settings{})
		time.Sleep(10*time.Second + time.Millisecond)
		transport.Close()
		if source.asked != 11 {
			t.Errorf("the source was asked %d times in 10 s, want 11", source.asked)
		}
		time.Sleep(time.Minute)
		if source.asked != 11 {
			t.Error("the source was asked after Close")
		}
		transport.Close()
		hosts(t, transport, 10) // late requests go on
	})
}

func TestSourceThatFailsKeepsTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		source := &book{list: Static("a:1")}
		transport := known(t, source, Settings{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		hosts(t, transport, 1)
		for _, fault := range []struct {
			list []Endpoint
			err  error
			want string
		}{
			{nil, errors.New("consul is away"), "consul is away"},
			{List{{Address: "b:1"}, {Address: "b:1/path"}}, nil, "b:1/path"},
		} {
			log.Reset()
			source.tell(fault.list, fault.err)
			time.Sleep(5 * time.Second)
			if got := hosts(t, transport, 10); got["a:1"] != 10 {
				t.Errorf("requests went to %v, want all to a", got)
			}
			if s := transport.Snapshot(); !strings.Contains(s.SourceError, fault.want) {
				t.Errorf("the error shown is %q, want %q", s.SourceError, fault.want)
			}
			source.tell(Static("a:1"), nil)
			time.Sleep(5 * time.Second)
			if s := transport.Snapshot(); s.SourceError != "" {
				t.Errorf("the error shown is still %q", s.SourceError)
			}
			if lines := strings.Split(log.String(), "\n"); len(lines) != 3 ||
				!strings.Contains(lines[0], fault.want) || !strings.Contains(lines[1], "told again") {
				t.Errorf("the log is %q, want a line for the beginning and one for the end", lines)
			}
		}
	})
}

func TestSourceThatTellsNothingYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("consul is away")
		source := &book{err: away}
		transport := known(t, source, Settings{PollEvery: 3 * time.Second})
		_, _, err := get(transport, "http://orders/")
		var nobody *NoEndpointError
		if !errors.As(err, &nobody) || !errors.Is(err, away) || nobody.RetryAfter != 3*time.Second {
			t.Errorf("the error is %v, want a NoEndpointError for 3 s because of %v", err, away)
		}
		source.tell(Static("a:1"), nil)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		hosts(t, transport, 1)
	})
}

func TestRequestsWaitForTheFirstList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := SourceFunc(func(ctx context.Context) ([]Endpoint, error) {
			select {
			case <-time.After(5 * time.Second):
				return Static("a:1"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		transport := known(t, slow, Settings{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
		if _, err := transport.RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a request with a deadline of 1 s ended after %v with %v", time.Since(start), err)
		}
		if hosts(t, transport, 1); time.Since(start) != 5*time.Second {
			t.Errorf("the list came after 5 s and the answer after %v", time.Since(start))
		}
		closed := known(t, slow, Settings{})
		go func() {
			time.Sleep(time.Second)
			closed.Close()
		}()
		var nobody *NoEndpointError
		if _, _, err := get(closed, "http://orders/"); !errors.As(err, &nobody) {
			t.Errorf("a request to a closed Transport ended with %v, want a NoEndpointError", err)
		}
	})
}

// A source may wait for changes instead of being asked for them.
func TestSourceThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := make(chan []Endpoint, 1)
		changes <- Static("a:1")
		transport := known(t, SourceFunc(func(ctx context.Context) ([]Endpoint, error) {
			select {
			case list := <-changes:
				return list, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}), Settings{})
		hosts(t, transport, 1)
		time.Sleep(time.Hour)
		changes <- Static("b:1")
		synctest.Wait()
		if got := hosts(t, transport, 10); got["b:1"] != 10 {
			t.Errorf("requests went to %v, want all to b at once", got)
		}
	})
}

func TestNewcomersStartSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := balance.DefaultSettings()
		settings.SlowStart = time.Minute
		source := &book{list: Static("a:1")}
		transport := known(t, source, Settings{Balance: settings})
		hosts(t, transport, 1)
		source.tell(List{{Address: "a:1"}, {Address: "new:1"}, {Address: "old:1", Since: time.Now().Add(-time.Hour)}}, nil)
		time.Sleep(30*time.Second + 1500*time.Millisecond)
		got := hosts(t, transport, 250)
		if got["new:1"] < 45 || got["new:1"] > 55 || got["old:1"] < 95 || got["a:1"] < 95 {
			t.Errorf("after half of slow start requests went to %v, want a fifth to the new one and equal parts to the others", got)
		}
	})
}

// Another process at an address has nothing to do with the failures of the one before.
func TestAnotherInstanceBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		source := &book{list: List{{Address: "a:1", Instance: "one"}, {Address: "b:1"}}}
		transport := known(t, source, Settings{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if broken && r.URL.Host == "a:1" {
				return answer(r, 503), nil
			}
			return answer(r, 200), nil
		})})
		hosts(t, transport, 40)
		broken = false
		source.tell(List{{Address: "a:1", Instance: "two"}, {Address: "b:1"}}, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := hosts(t, transport, 100); got["a:1"] != 50 {
			t.Errorf("requests went to %v, want half to the new instance", got)
		}
	})
}
