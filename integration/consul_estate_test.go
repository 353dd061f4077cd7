package integration

// consul_estate_test.go is what trouble with Consul is made for: a gateway, three
// instances, requests all the time, and a witness.

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	estateRate = 50.0 // requests a second
	// heardWithin is how soon a gateway asks Consul again that did not answer.
	heardWithin = 10 * time.Second
	// loadMessage is what a process logs as the machine has more or less to do.
	loadMessage = "process health changed"
)

// estate is a gateway and three instances of web. They speak with the same Consul server,
// which the witness asks too.
type estate struct {
	t         *testing.T
	instances []*instance
	gateway   *follower
	witness   *witness
	stop      func() *Result
	logged    map[string]int // what each process had logged before the trouble
	recovery  []string       // what is told of it
}

// tokens are those of an estate. Default: that of the server.
type tokens struct{ instances, gateway string }

// newEstate starts all of it, and returns when all instances get requests.
func newEstate(t *testing.T, consul *consulserver.Server, own tokens, discovery ...string) *estate {
	t.Helper()
	if own == (tokens{}) {
		own = tokens{consul.Token, consul.Token}
	}
	e := &estate{t: t}
	for _, name := range []string{"one", "two", "three"} {
		e.instances = append(e.instances, newInstanceAt(t, consulOption(consul.Address(), own.instances), name, nil))
	}
	addresses := addressesOf(e.instances...)
	e.witness = newWitness(t, consul, addresses...)
	e.witness.recovered(t)
	s := newFollowingSite(t, consul, discovery...)
	s.Global = []string{globalGovernance(consulOption(consul.Address(), own.gateway))}
	e.gateway = follow(t, s)
	e.gateway.awaitUse(t, consulPatience, addresses...)
	e.stop = sustain(t, s.URL(), estateRate)
	e.trouble()
	return e
}

// processes are all of them by name.
func (e *estate) processes() map[string]*Gateway {
	all := map[string]*Gateway{"gateway": e.gateway.Gateway}
	for _, i := range e.instances {
		all[i.Name] = i.Gateway
	}
	return all
}

// trouble is about to begin: what is logged from now on is because of it.
func (e *estate) trouble() {
	e.logged = make(map[string]int)
	for name, g := range e.processes() {
		e.logged[name] = len(g.messages(e.t))
	}
	e.witness.mark()
}

// noticed waits until all processes have noticed that Consul does not answer, or not
// what it should.
func (e *estate) noticed() {
	e.t.Helper()
	e.instancesNoticed()
	e.gatewayNoticed()
	e.witness.mark() // what it was told until here was from before
}

func (e *estate) instancesNoticed() {
	e.t.Helper()
	for _, i := range e.instances {
		var r registration
		var err error
		if !Eventually(consulPatience, func() bool { r, err = i.registration(); return err == nil && r.Error != "" }) {
			e.t.Fatalf("%s does not notice the trouble: %+v, %v", i.Name, r, err)
		}
	}
}

func (e *estate) gatewayNoticed() {
	e.t.Helper()
	var f followed
	var err error
	if !Eventually(consulPatience, func() bool { f, err = e.gateway.followed(); return err == nil && !f.Up }) {
		e.t.Fatalf("the gateway does not notice the trouble: %+v, %v", f.Status, err)
	}
}

// recovers waits until all is as it was, and checks that the registrations were quick.
func (e *estate) recovers(from string) {
	e.t.Helper()
	took := e.witness.recovered(e.t)
	e.recovery = append(e.recovery, fmt.Sprintf("%s: registered %v after the first read", from, took.Round(time.Millisecond)))
	if took > consulSoon {
		e.t.Errorf("%s: the registrations are back %v after the first successful read from the leader, want at most %v",
			from, took, consulSoon)
	}
	began := time.Now()
	var f followed
	var err error
	if !Eventually(heardWithin, func() bool { f, err = e.gateway.followed(); return err == nil && f.Up && f.Held == 0 }) {
		e.t.Errorf("%s: the gateway does not hear of Consul again: %+v, %v", from, f.Status, err)
	}
	e.recovery = append(e.recovery, fmt.Sprintf("the gateway has heard of it %v later", time.Since(began).Round(time.Millisecond)))
	e.gateway.awaitUse(e.t, heardWithin, e.witness.want...)
	for _, i := range e.instances {
		var r registration
		if !Eventually(heardWithin, func() bool { r, err = i.registration(); return err == nil && r.Registered && r.Error == "" }) {
			e.t.Errorf("%s: %s is not well again: %+v, %v", from, i.Name, r, err)
		}
	}
}

// sessions are those of the instances.
func (e *estate) sessions() (all []string) {
	e.t.Helper()
	for _, i := range e.instances {
		r, err := i.registration()
		if err != nil || r.Session == "" {
			e.t.Fatalf("%s has no session: %+v, %v", i.Name, r, err)
		}
		all = append(all, r.Session)
	}
	return all
}

// keepsServing fails the test if the set of the gateway is not all instances.
func (e *estate) keepsServing(when string) {
	e.t.Helper()
	f, err := e.gateway.followed()
	if err != nil || len(f.used()) != len(e.instances) {
		e.t.Errorf("%s the gateway uses %v: %+v, %v", when, f.used(), f.Status, err)
	}
}

// calm ends the load and checks what is to be so after any trouble. times is how often
// there was some.
func (e *estate) calm(times int) {
	e.t.Helper()
	time.Sleep(time.Second) // of load that is to succeed
	load := e.stop()
	wantNoFailure(e.t, strings.Join(e.recovery, "; "), load)
	e.witness.check(e.t)
	e.keepsServing("in the end")
	processes := e.processes()
	for _, name := range slices.Sorted(maps.Keys(processes)) {
		e.checkLog(name, processes[name].messages(e.t)[e.logged[name]:], times)
	}
}

// checkLog wants a line per change of state, and not one per request or attempt: in each
// trouble a state begins and ends once.
func (e *estate) checkLog(name string, messages []string, times int) {
	e.t.Helper()
	count := make(map[string]int)
	for _, message := range messages {
		count[message]++
	}
	e.t.Logf("%s logged %d lines", name, len(messages))
	for message, n := range count {
		if n > times && message != loadMessage {
			e.t.Errorf("%s logged %q %d times in %d troubles", name, message, n, times)
		}
	}
}

// messages are what a process has logged so far, but for what requests to its admin API
// have it log.
func (g *Gateway) messages(t testing.TB) (messages []string) {
	t.Helper()
	log, err := os.ReadFile(g.log)
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(log)) {
		var line struct{ Logger, Msg string }
		if json.Unmarshal([]byte(text), &line) == nil && !strings.HasPrefix(line.Logger, "admin") {
			messages = append(messages, line.Msg)
		}
	}
	return messages
}
