package balance

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/freeport"
)

func policyOf(t *testing.T) *Policy {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return held.View.(*Policy)
}

// A decision about an upstream that has left can be seen and taken back: it would
// hold unnoticed when the upstream returns.
func TestDecisionAboutADepartedUpstream(t *testing.T) {
	listen, storage := freeport.Address(t), t.TempDir()
	gone, stays := "127.0.0.1:7", "127.0.0.1:9"
	both := site(listen, gone+" "+stays, "")
	load := func(caddyfile string) {
		t.Helper()
		if err := load(t, storage, caddyfile); err != nil {
			t.Fatal(err)
		}
	}
	load(both)
	t.Cleanup(func() { stop(t) })
	decide := func(body string) any {
		t.Helper()
		got, err := policyOf(t).Control([]string{"upstreams", gone}, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	decide(`{"drain":true}`)
	decide(`{"weight":3}`)
	load(site(listen, stays, ""))
	absent := pool(t, "test").Absent
	if len(absent) != 1 || absent[0].Address != gone || absent[0].Decision.Drain == nil {
		t.Fatalf("absent are %s, want %s with its decision", mustJSON(absent), gone)
	}
	if got := mustJSON(decide(`{"drain":false}`)); got != `{"address":"127.0.0.1:7","decision":{"weight":{"value":3,"configured":1}}}` {
		t.Errorf("answer is %s", got)
	}
	// decided anew, it still holds only against the weight that was configured
	if got := mustJSON(decide(`{"weight":4}`)); got != `{"address":"127.0.0.1:7","decision":{"weight":{"value":4,"configured":1}}}` {
		t.Errorf("answer is %s", got)
	}
	load(both)
	if u := upstreamOf(t, "test", gone); u.State != "in" || u.Weight != 4 {
		t.Errorf("when it is back it is %s with weight %v, want in with 4", u.State, u.Weight)
	}
	load(site(listen, stays, ""))
	if got := mustJSON(decide(`{"weight":null}`)); got != `{"address":"127.0.0.1:7"}` {
		t.Errorf("answer is %s", got)
	}
	if absent := pool(t, "test").Absent; len(absent) != 0 {
		t.Errorf("absent are %s, want none", mustJSON(absent))
	}
	if _, err := policyOf(t).Control([]string{"upstreams", gone}, []byte(`{"drain":true}`)); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("error is %v, want that there is none", err)
	}
}

// What has ended is forgotten, also about those who are absent.
// awaitStored waits until what a decision's end changes is stored.
func (l *livePool) awaitStored() {
	l.deciding.Lock()
	defer l.deciding.Unlock()
}

func TestEndedDecisionAboutADepartedUpstreamIsDropped(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, backend(t, answer("a")), ""))
	live := livePoolOf(t)
	live.Decide("gone:1", balance.Decision{Drain: &balance.Drain{Until: time.Now()}})
	live.Decide("gone:2", balance.Decision{Drain: new(balance.Drain)})
	policyOf(t).Lead() // as with the next reload
	for deadline := time.Now().Add(30 * time.Second); len(live.Decisions()) != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("decisions are %v, want one", live.Decisions())
		}
	}
	live.awaitStored()
	if live.Decisions()["gone:2"].Drain == nil {
		t.Error("a decision that holds was dropped")
	}
}
