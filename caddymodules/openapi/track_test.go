package openapi

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A reload with the same settings goes on with the same track, which has looked at the source once.
func TestReloadSharesTheTrack(t *testing.T) {
	p, s := newProcess(t), settingsOf(fileWith(t, apiWith("a")))
	old := p.held(t, s)
	first := old.generation()
	next, err := p.provision(s)
	if err != nil {
		t.Fatal(err)
	}
	if next != old || next.generation() != first || p.compiles.Load() != 1 {
		t.Errorf("another track: %v, %d compiles", next != old, p.compiles.Load())
	}
	if n := p.loads[loadUnchanged].Load(); n != 1 {
		t.Errorf("looked at the source %d times, want once", n)
	}
	next.release()

	// what is new is in force when the configuration is, and what is broken is no reason to fail
	old.watch.close()
	write(t, s.Source, apiWith("b"))
	next = p.held(t, s)
	wantOperation(t, "changed", next, "b")
	write(t, s.Source, brokenAPI)
	next = p.held(t, s)
	wantOperation(t, "broken", next, "b")
	if next.status().stale == nil {
		t.Error("broken, and not stale")
	}
}

// Both addresses of a site hold the same track in one configuration.
func TestOneConfigurationLooksOnce(t *testing.T) {
	p, s := newProcess(t), settingsOf(fileWith(t, apiWith("a")))
	configuration := new(int)
	for range 3 {
		track, err := p.take(s, p.home)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(track.release)
		if err := track.meet(context.Background(), configuration); err != nil {
			t.Fatal(err)
		}
	}
	if looks := p.loads[loadOK].Load() + p.loads[loadUnchanged].Load(); looks != 1 {
		t.Errorf("looked %d times, want once", looks)
	}
}

// Other settings make another track; the contract is compiled anew only if they change it.
func TestChangedSettings(t *testing.T) {
	p, s := newProcess(t), settingsOf(fileWith(t, apiWith("a")))
	old := p.held(t, s)
	slower := s
	slower.Refresh = time.Hour
	next := p.held(t, slower)
	if next == old || next.generation().contract != old.generation().contract || p.compiles.Load() != 1 {
		t.Errorf("with another refresh: the same track: %v, %d compiles", next == old, p.compiles.Load())
	}
	prefixed := s
	prefixed.Compile.StripPrefix = "/api"
	third := p.held(t, prefixed)
	if third.generation().contract == old.generation().contract || p.compiles.Load() != 2 {
		t.Errorf("with another prefix: %d compiles, want 2", p.compiles.Load())
	}
	if a, b, c := old.generation().number, next.generation().number, third.generation().number; a != 1 || b != 2 || c != 3 {
		t.Errorf("generations %d, %d, %d", a, b, c)
	}
	if n := len(third.kept()); n != 1 {
		t.Errorf("%d generations are kept of one document", n)
	}
}

// A configuration that fails to load has changed nothing of the one that runs.
func TestFailingConfigurationChangesNothing(t *testing.T) {
	p, s := newProcess(t), settingsOf(fileWith(t, apiWith("a")))
	running := p.held(t, s)
	first := running.generation()
	running.watch.close()
	write(t, s.Source, brokenAPI)
	changed := s
	changed.Compile.IgnoreServers = true
	_, err := p.provision(changed)
	if err == nil || !strings.Contains(err.Error(), s.Source+":") {
		t.Errorf("the error is %v, want one that names file and line", err)
	}
	if running.generation() != first || len(running.kept()) != 1 || running.status().stale != nil || len(p.byKey) != 1 {
		t.Errorf("in force is %+v, stale %v, %d tracks", running.generation(), running.status().stale, len(p.byKey))
	}
}

// The last to give a track up ends it: no goroutine and no watch is left. It waits for nothing.
func TestReleaseEndsAll(t *testing.T) {
	eventually(t, "those of other tests are gone", func() bool { return trackGoroutines() == 0 })
	p := newProcess(t)
	var tracks []*track
	for range 3 {
		s := settingsOf(fileWith(t, apiWith("a")))
		s.Refresh = time.Millisecond
		for range 2 {
			track, err := p.provision(s)
			if err != nil {
				t.Fatal(err)
			}
			tracks = append(tracks, track)
		}
	}
	eventually(t, "each track has a loop and a watch", func() bool { return trackGoroutines() == 6 })
	for _, track := range tracks {
		track.release()
	}
	eventually(t, "all goroutines are gone", func() bool { return trackGoroutines() == 0 })
	if len(p.byKey) != 0 {
		t.Errorf("%d tracks are left", len(p.byKey))
	}
}

// A track ends while its source hangs.
func TestReleaseWhileTheSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		track, err := p.provision(s)
		if err != nil {
			t.Fatal(err)
		}
		server.always(-1, "")
		time.Sleep(s.Refresh*11/10 + time.Second)
		began := time.Now()
		track.release()
		synctest.Wait() // the bubble ends only if no goroutine is left
		if time.Since(began) != 0 {
			t.Errorf("it took %s", time.Since(began))
		}
	})
}

func TestPauses(t *testing.T) {
	for _, tc := range []struct {
		refresh     time.Duration
		failures    int
		least, most time.Duration
	}{
		{30 * time.Second, 0, 27 * time.Second, 33 * time.Second},
		{30 * time.Second, 1, time.Second / 2, time.Second},
		{30 * time.Second, 4, 4 * time.Second, 8 * time.Second},
		{30 * time.Second, 1000, 15 * time.Second, 30 * time.Second},
		{100 * time.Millisecond, 3, 50 * time.Millisecond, 100 * time.Millisecond},
		{0, 0, forever, forever},
		{0, 1000, longestPause / 2, longestPause},
	} {
		track := &track{settings: trackSettings{Refresh: tc.refresh}, failures: tc.failures}
		for range 100 {
			if d := track.pause(); d < tc.least || d > tc.most {
				t.Fatalf("refresh %s, %d failures: %s, want %s to %s", tc.refresh, tc.failures, d, tc.least, tc.most)
			}
		}
	}
}

// Loads, pushes, rollbacks, requests and reloads at once, for the race detector: at the end the last source is in force.
func TestAllAtOnce(t *testing.T) {
	p, s := newProcess(t), settingsOf(fileWith(t, apiWith("a")))
	s.Refresh = 5 * time.Millisecond
	track := p.held(t, s)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, do := range []func(n int){
		func(n int) { replaceFile(t, s.Source, apiWith([]string{"a", "b", "c"}[n%3])) },
		func(int) { _ = track.replace([]byte(apiWith("pushed"))) },
		func(int) { _ = track.rollback(0) },
		func(int) { _ = track.reload() },
		func(int) { _, _ = track.wait(context.Background()) },
		func(int) { _, _ = track.status(), track.kept() },
		func(n int) {
			other := s
			other.Refresh += time.Duration(n%3) * time.Millisecond
			if held, err := p.provision(other); err == nil {
				held.settle(p.home)
				held.release()
			}
		},
	} {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
					do(n)
				}
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	close(done)
	wg.Wait()
	replaceFile(t, s.Source, apiWith("last"))
	eventuallyOperation(t, "in the end", track, "last")
}

// Documents that were in force leave nothing behind but the few that are kept.
func TestSwapsKeepNothing(t *testing.T) {
	s := settingsOf(fileWith(t, apiWith("a")))
	track := newProcess(t).held(t, s)
	track.watch.close()
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	swap := func(times int) {
		for n := range times {
			text := apiWith("a") + fmt.Sprintf("x-number: %d\n", n)
			if n%3 == 2 {
				text = brokenAPI
			}
			write(t, s.Source, text)
			if err := lookNow(track); (err != nil) != (n%3 == 2) {
				t.Fatalf("swap %d: %v", n, err)
			}
		}
	}
	swap(30)
	before := heap()
	swap(300)
	if after := heap(); after > before+1<<20 {
		t.Errorf("300 swaps keep %d KiB", (after-before)>>10)
	}
}
