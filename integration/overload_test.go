package integration

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/freeport"
)

// overload is a load of three times what a back end can take.
type overload struct {
	places  int
	service time.Duration
	calm    time.Duration // how long each load before it lasts
	lasts   time.Duration // how long the overload does
	shed    string        // the load_shed block; empty is none
	peak    float64       // the most that gets through without it, in requests a second
}

const (
	overloadTimes = 3
	// patience is how long a client waits: whatever comes later is of no use.
	patience = time.Second
	// settling is the part of an overload that is not measured, with load_shed and
	// without.
	settling = 2 * time.Second
	// mostCalmCPU is the most that generator, back end and gateway may need of all CPUs
	// below the back end's capacity: with more, figures are the machine's, not its.
	mostCalmCPU = 0.6
)

// overloadFigures are what came of it.
type overloadFigures struct {
	unloadedP99 time.Duration // at a fifth of the capacity
	calmCPU     float64       // of generator, back end and gateway, as a share of all CPUs
	goodput     float64       // answers within patience under overload, a second
	p99         time.Duration // of what was admitted then
	cpu         float64
	result      *Result
}

func (o *overload) describe(f *overloadFigures) string {
	return fmt.Sprintf("peak %.0f/s; before: %.0f%% CPU, unloaded p99 %v; three times: %.0f%% CPU, goodput %.0f/s (%.0f%% of the peak), p99 of admitted %v (x %.1f)",
		o.peak, 100*f.calmCPU, f.unloadedP99.Round(100*time.Microsecond), 100*f.cpu,
		f.goodput, 100*f.goodput/o.peak, f.p99.Round(100*time.Microsecond), f.p99.Seconds()/f.unloadedP99.Seconds())
}

// run puts a gateway before the back end and measures it: unloaded, near or, without
// load_shed, at its peak, and under overload.
func (o *overload) run(t *testing.T) *overloadFigures {
	t.Helper()
	b := NewBackend(t, "small")
	b.Places(o.places, o.service)
	admin, address := freeport.Address(t), freeport.Address(t)
	host, port, _ := strings.Cut(address, ":")
	g := Start(t, Weir(t), admin, fmt.Sprintf(
		"{\n\tadmin %s\n\tauto_https off\n\tpersist_config off\n}\nhttp://:%s {\n\tbind %s\n\ttrace_context\n\trequest_metrics shop\n%s\treverse_proxy %s {\n\t\ttransport http {\n\t\t\tkeepalive_idle_conns_per_host 10000\n\t\t}\n\t}\n}\n",
		admin, port, host, o.shed, b.Address))
	url := "http://" + address + "/places"
	capacity := float64(o.places) / o.service.Seconds()
	f := new(overloadFigures)
	f.unloadedP99 = Flood(t.Context(), url, capacity/5, o.calm, patience).Latency(0.99)
	f.calmCPU = share(t, g, func() {
		if o.shed != "" {
			Flood(t.Context(), url, 0.8*capacity, o.calm, patience)
			return
		}
		peak := Closed(t.Context(), url, o.places+o.places/5, int(capacity*o.calm.Seconds()))
		o.peak = float64(peak.Requests()-peak.Failed()) / peak.Took.Seconds()
	})
	f.cpu = share(t, g, func() {
		f.result = Flood(t.Context(), url, overloadTimes*capacity, settling+o.lasts, patience)
	})
	f.goodput = f.result.Goodput(settling, settling+o.lasts, patience)
	f.p99 = f.result.Admitted().since(settling).Latency(0.99)
	return f
}

// since are the requests that were due after a time of the load.
func (r *Result) since(from time.Duration) *Result {
	for i := range r.Samples {
		if r.Samples[i].At >= from {
			return &Result{Samples: r.Samples[i:], Took: r.Took - from}
		}
	}
	return new(Result)
}

// share returns the CPU time that the gateway and this process use during do, as a
// share of what there is.
func share(t *testing.T, g *Gateway, do func()) float64 {
	t.Helper()
	own := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	begin, before := time.Now(), own()+g.CPU(t)
	do()
	took := time.Since(begin)
	return (own() + g.CPU(t) - before).Seconds() / took.Seconds() / float64(runtime.NumCPU())
}

func shedding(limit string) string {
	return "\tload_shed shop {\n\t\tmax_in_flight " + limit + "\n\t}\n"
}

// overloadAttempts is how often the short form is tried: a machine that does other things
// may take from the gateway alone what both have to have, and then figures are its.
const overloadAttempts = 3

// The short form asks for less than the long one: other tests run beside it.
func TestUnderOverloadLoadShedKeepsGoodputWhereWithoutItThereIsNone(t *testing.T) {
	var wrong []string
	for range overloadAttempts {
		if wrong = briefOverload(t); len(wrong) == 0 {
			return
		}
		t.Log(strings.Join(wrong, "\n"))
	}
	t.Error(strings.Join(wrong, "\n"))
}

// briefOverload returns what is not as it should be.
func briefOverload(t *testing.T) (wrong []string) {
	t.Helper()
	o := overload{places: 10, service: 40 * time.Millisecond, calm: time.Second, lasts: 2 * time.Second}
	without := o.run(t)
	o.shed = shedding("auto 10")
	with := o.run(t)
	t.Logf("without: %s", o.describe(without))
	t.Logf("with:    %s", o.describe(with))
	if with.goodput < 0.6*o.peak {
		wrong = append(wrong, fmt.Sprintf("goodput is %.0f/s, want 60%% of %.0f/s or more; answers: %v", with.goodput, o.peak, with.result))
	}
	if without.goodput > 0.5*with.goodput {
		wrong = append(wrong, fmt.Sprintf("without load_shed goodput is %.0f/s, with it %.0f/s: the load is no overload, or load_shed does not help", without.goodput, with.goodput))
	}
	// what is admitted is answered within some 50 ms; a busy machine stops for longer
	if with.p99 > patience*3/4 {
		wrong = append(wrong, fmt.Sprintf("the p99 of what is admitted is %v, want three quarters of the clients' patience, %v, or less", with.p99, patience))
	}
	return wrong
}

// Three times what a back end of 50 places and 20 ms can take: 7,500 requests a
// second. On two CPUs that needs both: what else runs there takes from all figures.
func TestSoakOverload(t *testing.T) {
	Soak(t)
	o := overload{places: 50, service: 20 * time.Millisecond, calm: 5 * time.Second, lasts: 20 * time.Second}
	without := o.run(t)
	t.Logf("without load_shed:         %s", o.describe(without))
	for _, limit := range []string{"auto", "auto 10", "60"} {
		o.shed = shedding(limit)
		with := o.run(t)
		t.Logf("max_in_flight %-12s %s", limit+":", o.describe(with))
		if with.calmCPU > mostCalmCPU {
			t.Errorf("max_in_flight %s: %.0f%% of the CPUs are used at 0.8 of the back end's capacity, want %.0f%% or less: the machine is too small or too busy for this test", limit, 100*with.calmCPU, 100*mostCalmCPU)
		}
		if with.goodput < 0.85*o.peak {
			t.Errorf("max_in_flight %s: goodput is %.0f/s, want 85%% of %.0f/s or more; answers: %v", limit, with.goodput, o.peak, with.result)
		}
		if with.p99 > 3*with.unloadedP99 {
			t.Errorf("max_in_flight %s: the p99 of what is admitted is %v, want at most three times %v", limit, with.p99, with.unloadedP99)
		}
		if with.goodput < 2*without.goodput {
			t.Errorf("max_in_flight %s: goodput is %.0f/s, without load_shed %.0f/s: was that an overload?", limit, with.goodput, without.goodput)
		}
	}
}
