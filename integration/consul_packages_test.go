package integration

// consul_packages_test.go has the package lease register with a real Consul and the
// package discovery follow it.

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/discovery"
	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	// consulSoon is how soon what happens must be seen on the other side of Consul, and
	// how soon after its first answer a registration that was lost must be back: two
	// seconds, and three for a machine that does other things too. What waits for the end
	// of something takes ten or more.
	consulSoon = 5 * time.Second
	// consulPatience is for what has no bound of its own on a busy machine.
	consulPatience = 30 * time.Second
)

// holdLease registers an instance whose id is also its host name, for as long as the
// test runs.
func holdLease(t *testing.T, client *api.Client, id string) *lease.Lease {
	t.Helper()
	// a watch asks once a second at most, and is to see who drains
	settings := lease.Settings{Service: "web", Drain: 3 * time.Second, UpdateEvery: 100 * time.Millisecond}
	l, err := lease.Hold(t.Context(), client, settings, lease.Instance{ID: id, Address: id, Port: 8080})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// watchLeases follows the instances of the service, with the longest wait that there is:
// what is seen before its end was not found by asking again.
func watchLeases(t *testing.T, client *api.Client) *discovery.Watcher {
	t.Helper()
	source, err := discovery.KV(client, "", "web")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err := discovery.Watch(ctx, source, discovery.Settings{Wait: 10 * time.Minute, EmptyAfter: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-w.Done() })
	return w
}

// spelled is a set in a form to compare: "a=1 b=0 draining".
func spelled(w *discovery.Watcher) string {
	set := w.Snapshot()
	if set == nil {
		return "none"
	}
	text := ""
	for _, i := range set.Instances {
		if text != "" {
			text += " "
		}
		text += fmt.Sprintf("%s=%g", i.ID, i.Weight)
		if i.Draining {
			text += " draining"
		}
	}
	return text
}

// sees fails the test unless the watch soon has the set.
func sees(t *testing.T, w *discovery.Watcher, want string) {
	t.Helper()
	began := time.Now()
	if !Eventually(consulSoon, func() bool { return spelled(w) == want }) {
		t.Errorf("after %s the set is %q, not %q: %+v", consulSoon, spelled(w), want, w.Status())
	}
	t.Logf("%q after %s", want, time.Since(began).Round(time.Millisecond))
}

// hasKey reports whether the leader has the key of an instance.
func hasKey(client *api.Client, id string) (bool, error) {
	pair, _, err := client.KV().Get(lease.DefaultPrefix+"/web/"+id, &api.QueryOptions{RequireConsistent: true})
	return pair != nil && pair.Session != "", err
}

// isBackSoon fails the test unless the instance is registered soon after the first read
// that the leader answers.
func isBackSoon(t *testing.T, client *api.Client, id string) {
	t.Helper()
	var has bool
	if !Eventually(consulPatience, func() (answered bool) {
		var err error
		has, err = hasKey(client, id)
		return err == nil
	}) {
		t.Fatal("Consul does not answer")
	}
	began := time.Now()
	if !has && !Eventually(consulSoon, func() bool { has, _ = hasKey(client, id); return has }) {
		t.Errorf("%s is not registered %s after Consul's first answer", id, consulSoon)
	}
	t.Logf("registered %s after Consul's first answer", time.Since(began).Round(time.Millisecond))
}

func TestConsulLeaseFromHoldToRelease(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	w := watchLeases(t, consul.Client())
	a := holdLease(t, consul.Client(), "a")
	sees(t, w, "a=1")
	b := holdLease(t, consul.Client(), "b")
	sees(t, w, "a=1 b=1")
	if err := b.Update(func(i *lease.Instance) { i.Weight = 0.5 }); err != nil {
		t.Error(err)
	}
	sees(t, w, "a=1 b=0.5")

	released := make(chan error, 1)
	go func() { released <- b.Release(context.Background()) }()
	sees(t, w, "a=1 b=0 draining")
	if err := <-released; err != nil {
		t.Error(err)
	}
	if has, err := hasKey(consul.Client(), "b"); has || err != nil {
		t.Errorf("after Release the key is there: %t, %v", has, err)
	}
	sees(t, w, "a=1")
	if s := a.State(); s.Phase != lease.Registered || s.Registrations != 1 || s.Failures != 0 {
		t.Errorf("the lease that nothing happened to: %+v", s)
	}
	if sessions, _, err := consul.Client().Session().List(nil); err != nil || len(sessions) != 1 {
		t.Errorf("there are %d sessions, %v", len(sessions), err)
	}
}

func TestConsulLeaseComesBackAfterItsSession(t *testing.T) {
	t.Parallel()
	client := consulserver.Start(t).Client()
	w := watchLeases(t, client)
	a := holdLease(t, client, "a")
	sees(t, w, "a=1")
	session := a.State().Session
	if _, err := client.Session().Destroy(session, nil); err != nil {
		t.Fatal(err)
	}
	if !Eventually(consulSoon, func() bool {
		has, err := hasKey(client, "a")
		return err == nil && has && a.State().Session != session && a.State().Phase == lease.Registered
	}) {
		t.Errorf("%s after its session was destroyed: %+v", consulSoon, a.State())
	}
	if s := a.State(); s.Losses[lease.SessionGone] != 1 || s.Registrations != 2 {
		t.Errorf("it counted %+v", s)
	}
	sees(t, w, "a=1")
}

// A Consul that comes back empty has an index far below the one that is waited with.
func TestConsulLeaseComesBackAfterAWipe(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	client := consul.Client()
	for i := range 300 {
		if _, err := client.KV().Put(&api.KVPair{Key: "other", Value: fmt.Append(nil, i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	w := watchLeases(t, client)
	a := holdLease(t, client, "a")
	sees(t, w, "a=1")
	before := w.Status()

	consul.Stop()
	// Between two questions nobody would notice, were it back at once: the lease until it
	// renews, the watch until the end of its wait.
	if !Eventually(consulPatience, func() bool { return !w.Status().Up && a.State().Error != "" }) {
		t.Errorf("without Consul the watch is %+v, the lease %+v", w.Status(), a.State())
	}
	consul.Launch()
	isBackSoon(t, client, "a")
	if !Eventually(consulSoon, func() bool { return a.State().Phase == lease.Registered }) {
		t.Errorf("the lease does not know that it is registered: %+v", a.State())
	}
	// a new one is seen, so the watch does not wait for the index of before
	holdLease(t, client, "b")
	if !Eventually(consulPatience, func() bool { return spelled(w) == "a=1 b=1" }) {
		t.Errorf("the set is %q", spelled(w))
	}
	if after := w.Status(); after.Index >= before.Index || !after.Up || after.EmptyBelieved != 0 {
		t.Errorf("the index was %d; the watch now: %+v", before.Index, after)
	}
	// one more, of a call that was done and not answered as Consul began, ends by itself
	var sessions []*api.SessionEntry
	var err error
	if !Eventually(consulPatience, func() bool { sessions, _, err = client.Session().List(nil); return err == nil && len(sessions) == 2 }) {
		t.Errorf("there are %d sessions, %v", len(sessions), err)
	}
}

func TestConsulLeaseOutlivesTheLeader(t *testing.T) {
	t.Parallel()
	cluster := consulserver.StartCluster(t)
	client := cluster.Followers()[0].Client()
	w := watchLeases(t, client)
	a := holdLease(t, client, "a")
	sees(t, w, "a=1")
	leader := cluster.Leader()
	leader.Kill()
	began := time.Now()
	cluster.Leader()
	t.Logf("another leader after %s", time.Since(began).Round(time.Millisecond))
	isBackSoon(t, client, "a")

	// once it has renewed with the new leader, nothing is left to go wrong
	renewals := a.State().Renewals
	if !Eventually(consulPatience, func() bool {
		s := a.State()
		return s.Renewals > renewals && s.Phase == lease.Registered && s.Error == ""
	}) {
		t.Errorf("the lease with another leader: %+v", a.State())
	}
	holdLease(t, client, "b")
	if !Eventually(consulPatience, func() bool { return spelled(w) == "a=1 b=1" }) {
		t.Errorf("the set is %q: %+v", spelled(w), w.Status())
	}
	// on a busy machine the election may take longer than a TTL
	if s := a.State(); s.Losses[lease.SessionGone] != 0 || s.Registrations > 1 && s.Losses[lease.NotRenewed] == 0 {
		t.Errorf("the lease was lost with the leader: %+v", s)
	}
}

// Why a watch begins from the start after every failure, and waits for a minute rather
// than ten: Consul leaves a question with an index that it has not come to unanswered,
// whatever changes meanwhile.
func TestConsulHoldsBackAnIndexAboveItsOwn(t *testing.T) {
	t.Parallel()
	kv := consulserver.Start(t).Client().KV()
	const wait = 2 * time.Second
	answered := make(chan error, 1)
	began := time.Now()
	go func() {
		_, _, err := kv.List("p/", &api.QueryOptions{WaitIndex: 1_000_000, WaitTime: wait})
		answered <- err
	}()
	writes := time.NewTicker(100 * time.Millisecond)
	defer writes.Stop()
	for i := 0; ; i++ {
		select {
		case err := <-answered:
			if took := time.Since(began); err != nil || took < wait || i == 0 {
				t.Errorf("answered after %s and %d writes: %v", took, i, err)
			}
			return
		case <-writes.C:
			if _, err := kv.Put(&api.KVPair{Key: fmt.Sprint("p/", i)}, nil); err != nil {
				t.Error(err)
			}
		}
	}
}
