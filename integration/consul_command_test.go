package integration

// consul_command_test.go has the command service-lease register a program that knows
// nothing of Consul.

import (
	"math"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/consulserver"
)

// serviceLease is the command that registers a program which knows nothing of Consul.
type serviceLease struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    strings.Builder // to be read when exited is closed
	exited chan struct{}
}

// startServiceLease runs the command for a back end, until the test ends.
func startServiceLease(t *testing.T, consul *consulserver.Server, b *Backend, flags ...string) *serviceLease {
	t.Helper()
	args := append([]string{"service-lease", "--service", "web", "--address", b.Address, "--consul", consul.Address()}, flags...)
	l := &serviceLease{t: t, cmd: command(Weir(t), t.TempDir(), args...), exited: make(chan struct{})}
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.out
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = l.cmd.Wait()
		close(l.exited)
	}()
	t.Cleanup(func() {
		_ = l.cmd.Process.Kill()
		<-l.exited
		if t.Failed() {
			t.Logf("service-lease for %s:\n%s", b.Name, l.out.String())
		}
	})
	return l
}

// stop ends the command with SIGTERM and wants it to succeed.
func (l *serviceLease) stop() {
	l.t.Helper()
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-l.exited:
	case <-time.After(instanceDrain + consulPatience):
		l.t.Fatal("service-lease does not end")
	}
	if status := l.cmd.ProcessState.ExitCode(); status != 0 {
		l.t.Errorf("service-lease ends with status %d", status)
	}
}

// A program in any language is registered by the command while it answers.
func TestConsulServiceLeaseFollowsHealth(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	steady, sick := NewBackend(t, "steady"), NewBackend(t, "sick")
	var ill atomic.Int64 // for how many questions
	sick.Handle("/health", func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() > 0 {
			ill.Add(-1)
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	const interval = 500 * time.Millisecond
	drain := "--drain=" + instanceDrain.String()
	startServiceLease(t, consul, steady, drain)
	leased := startServiceLease(t, consul, sick, drain, "--health-url=http://"+sick.Address+"/health", "--health-interval="+interval.String())
	s := newFollowingSite(t, consul)
	s.NoRetries = true
	g := follow(t, s)
	g.awaitUse(t, consulPatience, steady.Address, sick.Address)
	stop := sustain(t, s.URL(), instanceRate)

	ill.Store(math.MaxInt64)
	out := g.awaitUse(t, consulPatience, steady.Address)
	ill.Store(0)
	in := g.awaitUse(t, consulPatience, steady.Address, sick.Address)
	t.Logf("out %.1f s after /health began to fail, in %.1f s after it answered again", out.Seconds(), in.Seconds())
	// the third failure comes after two intervals at the earliest, and three at the latest
	if out < 2*interval || out > 3*interval+consulSoon || in > interval+consulSoon {
		t.Errorf("out after %v, in after %v", out, in)
	}

	ill.Store(2) // failures in a row are not enough
	if !Eventually(consulPatience, func() bool { return ill.Load() <= 0 }) {
		t.Errorf("it is not asked: it would fail %d times", ill.Load())
	}

	drained := make(chan bool, 1)
	go func() {
		drained <- Eventually(consulPatience, func() bool {
			f, _ := g.followed()
			return slices.ContainsFunc(f.Members, func(m followedMember) bool {
				return m.HostPort() == sick.Address && m.Draining
			})
		})
	}()
	leased.stop()
	if !<-drained {
		t.Error("it does not drain")
	}
	if n := strings.Count(leased.out.String(), "the lease is given up"); n != 1 {
		t.Errorf("it gave the lease up %d times", n)
	}
	g.awaitUse(t, consulSoon, steady.Address)
	sick.Die()              // nothing is sent to it any more
	time.Sleep(time.Second) // of load without it
	wantNoFailure(t, "service-lease comes and goes", stop())
	if sick.Requests() == 0 {
		t.Error("it never got a request")
	}
}
