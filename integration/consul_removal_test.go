package integration

// consul_removal_test.go has instances vanish from Consul that are there and answer.

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	removalInterval = 4 * time.Second
	removalEmpty    = 5 * time.Second
)

// leasedBackend is a back end that is registered by a session that nobody renews.
type leasedBackend struct {
	*Backend
	session string
}

func newLeasedBackend(t *testing.T, client *api.Client, name string) *leasedBackend {
	t.Helper()
	m := &leasedBackend{Backend: NewBackend(t, name)}
	var err error
	m.session, _, err = client.Session().CreateNoChecks(&api.SessionEntry{Behavior: api.SessionBehaviorDelete, LockDelay: time.Millisecond}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Sscanf(m.Address, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	value, err := json.Marshal(lease.Instance{ID: name, Address: "127.0.0.1", Port: port, Weight: 1})
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := client.KV().Acquire(&api.KVPair{Key: webKeys + name, Value: value, Session: m.session}, nil); !ok || err != nil {
		t.Fatalf("registering %s: %t, %v", name, ok, err)
	}
	return m
}

// sizes notes how many instances the gateway uses until there are only so many, with when
// that changed since something began, and until when there were more for sure.
func (f *follower) sizes(t *testing.T, began time.Time, until int, within time.Duration) (sizes []int, at []time.Duration, more time.Time) {
	t.Helper()
	last := -1
	if !Eventually(within, func() bool {
		asked := time.Now()
		v, err := f.followed()
		if err != nil {
			t.Fatal(err)
		}
		if len(v.used()) > until {
			more = asked
		}
		if n := len(v.used()); n != last {
			last = n
			sizes, at = append(sizes, n), append(at, time.Since(began))
		}
		return last == until
	}) {
		t.Fatalf("after %v the gateway uses %v instances, at %v", within, sizes, at)
	}
	t.Logf("the gateway uses %v instances, at %v", sizes, at)
	return sizes, at, more
}

// withoutEnd is a load that has just ended without what was answered in its end, by when
// there was nobody any more.
func withoutEnd(load *Result, end time.Duration) *Result {
	r := &Result{Took: load.Took - end}
	for _, s := range load.Samples {
		if s.At+s.Latency < r.Took {
			r.Samples = append(r.Samples, s)
		}
	}
	return r
}

// Half of ten go at once, and then all that are left.
func TestConsulMassRemoval(t *testing.T) {
	t.Parallel()
	server := consulserver.Start(t)
	consul := server.Client()
	var members []*leasedBackend
	var addresses []string
	for i := range 10 {
		m := newLeasedBackend(t, consul, fmt.Sprint("m", i))
		members, addresses = append(members, m), append(addresses, m.Address)
	}
	g := gatewayFor(t, server, "max_removal 30% "+removalInterval.String(), "empty_after "+removalEmpty.String())
	g.awaitUse(t, consulPatience, addresses...)
	stop := sustain(t, g.site.URL(), estateRate)

	began := time.Now() // the gateway hears of it later
	for _, m := range members[:5] {
		endSessions(t, consul, m.session)
	}
	sizes, at, _ := g.sizes(t, began, 5, 3*removalInterval+consulSoon)
	// three of ten, and with the next interval, which begins when the gateway hears of the
	// first, the other two
	for i, n := range sizes {
		if n < 7 && at[i] < removalInterval {
			t.Errorf("%d instances are left %v after half of ten went, want seven", n, at[i])
		}
	}

	began = time.Now()
	for _, m := range members[5:] {
		endSessions(t, consul, m.session)
	}
	sizes, at, more := g.sizes(t, began, 0, removalEmpty+removalInterval+consulSoon)
	// one may go before the gateway hears that all do
	for i, n := range sizes {
		if n < 4 && at[i] < removalEmpty {
			t.Errorf("%d instances are left %v after all went, which is less than empty_after", n, at[i])
		}
	}
	load := stop()
	wantNoFailure(t, "until there is nobody", withoutEnd(load, time.Since(more)))
	f, err := g.followed()
	if err != nil || f.EmptyBelieved != 1 || f.Used != 0 {
		t.Errorf("in the end: %+v, %v", f.Status, err)
	}
	a := ask(t, NewClient(1), g.site.URL(), nil)
	if a.Status != http.StatusServiceUnavailable || a.MediaType() != "application/problem+json" {
		t.Errorf("in the end the answer is %d %s", a.Status, a.Body)
	}
}
