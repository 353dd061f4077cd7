package integration

// consul_test.go has what scenarios with Consul have in common: processes that register
// themselves as instances of the service web, and a gateway that follows them.

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/discovery"
	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
	"github.com/weirproxy/weir/internal/freeport"
)

// consulOption is the line of the option governance that tells where Consul is, with a
// token if that is not empty.
func consulOption(address, token string) string {
	if token == "" {
		return "consul " + address
	}
	return fmt.Sprintf("consul %s {\n\t\t\ttoken %s\n\t\t}", address, token)
}

// globalGovernance is the global option governance with these lines. The health of the process
// is looked at once a minute: where a limit of processor time holds for all tests together, a
// weight would be halved because of others.
func globalGovernance(lines ...string) string {
	lines = append(lines, "process_health {\n\t\t\tinterval 1m\n\t\t}")
	return "governance {\n\t\t" + strings.Join(lines, "\n\t\t") + "\n\t}"
}

// instance is a weir that answers with its name and registers itself as web.
type instance struct {
	*Gateway
	Name string
	// Address is host:port; it stays the same when the process is started again.
	Address string

	config string
}

// newInstance starts an instance; register are lines of the block of register.
func newInstance(t testing.TB, consul *consulserver.Server, name string, register ...string) *instance {
	t.Helper()
	return newInstanceAt(t, consulOption(consul.Address(), consul.Token), name, nil, register...)
}

// newInstanceAt starts an instance with a line consul and further lines of its route.
func newInstanceAt(t testing.TB, consul, name string, lines []string, register ...string) *instance {
	t.Helper()
	i := &instance{Name: name, Address: freeport.Address(t)}
	admin := freeport.Address(t)
	host, port, _ := strings.Cut(i.Address, ":")
	block := fmt.Sprintf("register web %s {\n\t\t\t%s\n\t\t}", i.Address, strings.Join(register, "\n\t\t\t"))
	i.config = fmt.Sprintf("{\n\tadmin %s\n\tauto_https off\n\tpersist_config off\n\t%s\n}\n\nhttp://:%s {\n\tbind %s\n\troute {\n\t\t%s\n\t\trespond %q\n\t}\n}\n",
		admin, globalGovernance(consul, block), port, host, strings.Join(lines, "\n\t\t"), "hello from "+name)
	i.Gateway = Start(t, Weir(t), admin, i.config)
	t.Cleanup(i.Kill) // else the end of a test would wait while one after the other drains
	return i
}

// threeInstances are registered when it returns.
func threeInstances(t testing.TB, consul *consulserver.Server, register ...string) []*instance {
	t.Helper()
	var all []*instance
	for _, name := range []string{"one", "two", "three"} {
		all = append(all, newInstance(t, consul, name, register...))
	}
	for _, i := range all {
		i.awaitRegistered(t)
	}
	return all
}

// StartAgain starts an instance that has ended, at the same address.
func (i *instance) StartAgain() { i.Run(i.config) }

// registration is one as the admin API shows it.
type registration struct {
	lease.State
	Phase      string `json:"phase"` // the name of the State's
	Name       string `json:"name"`
	Health     string `json:"health"`
	Registered bool   `json:"registered"`
}

// registration is the instance's own.
func (i *instance) registration() (r registration, err error) {
	err = i.look("/governance/registrations/web@"+i.Address, &r)
	return r, err
}

func (i *instance) awaitRegistered(t testing.TB) {
	t.Helper()
	var r registration
	var err error
	if !Eventually(consulPatience, func() bool { r, err = i.registration(); return err == nil && r.Registered }) {
		t.Fatalf("%s does not register: %+v, %v", i.Name, r, err)
	}
}

// look reads a view of the admin API.
func (g *Gateway) look(path string, view any) error {
	a, err := g.get(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(a.Body), view); err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("GET %s: %d %s", path, a.Status, a.Body)
	}
	return nil
}

// follower is a gateway that follows a service in Consul; its pool is shop.
type follower struct {
	*Gateway
	site *site
	// source is the name of what it follows.
	source string
}

// newFollowingSite is a site that follows the leases of web; discovery are lines of the
// block of its source. Change it before it is started, as you like.
func newFollowingSite(t testing.TB, consul *consulserver.Server, discovery ...string) *site {
	t.Helper()
	s := newSite(t)
	s.Global = []string{globalGovernance(consulOption(consul.Address(), consul.Token))}
	s.Dynamic = sourceBlock("consul_kv web", discovery...)
	return s
}

// sourceBlock is a source of upstreams with lines in its block.
func sourceBlock(source string, lines ...string) string {
	return source + " {\n\t\t\t" + strings.Join(lines, "\n\t\t\t") + "\n\t\t}"
}

// follow starts a gateway for a site of newFollowingSite.
func follow(t testing.TB, s *site) *follower {
	t.Helper()
	return &follower{startWeir(t, s), s, "consul_kv:web"}
}

// gatewayFor starts a gateway that follows the leases of web.
func gatewayFor(t testing.TB, consul *consulserver.Server, discovery ...string) *follower {
	t.Helper()
	return follow(t, newFollowingSite(t, consul, discovery...))
}

// followed is a source of upstreams as the admin API shows it.
type followed struct {
	discovery.Status
	Used    int              `json:"used"`
	Members []followedMember `json:"members"`
}

type followedMember struct {
	lease.Instance
	Unused string `json:"unused"` // why
}

// used are the addresses of the instances that requests are sent to, in order.
func (f *followed) used() []string {
	var addresses []string
	for _, m := range f.Members {
		if m.Unused == "" {
			addresses = append(addresses, m.HostPort())
		}
	}
	slices.Sort(addresses)
	return addresses
}

// followed is what the gateway follows.
func (f *follower) followed() (v followed, err error) {
	err = f.look("/governance/discovery/"+f.source, &v)
	return v, err
}

// uses reports whether the gateway sends requests to exactly these addresses.
func (f *follower) uses(addresses ...string) bool {
	v, err := f.followed()
	return err == nil && slices.Equal(v.used(), slices.Sorted(slices.Values(addresses)))
}

// awaitUse waits until the gateway sends requests to exactly these addresses, and returns
// how long that took.
func (f *follower) awaitUse(t testing.TB, within time.Duration, addresses ...string) time.Duration {
	t.Helper()
	began := time.Now()
	if !Eventually(within, func() bool { return f.uses(addresses...) }) {
		v, err := f.followed()
		t.Fatalf("after %v the gateway uses not %v but %v: %+v, %v", within, addresses, v.used(), v, err)
	}
	return time.Since(began)
}

// keysOf returns what the keys of a service tell that a session holds, as the leader has
// them.
func keysOf(client *api.Client, service string) ([]lease.Instance, error) {
	pairs, _, err := client.KV().List(lease.DefaultPrefix+"/"+service+"/", &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		return nil, err
	}
	var all []lease.Instance
	for _, pair := range pairs {
		if pair.Session == "" {
			continue
		}
		i, err := lease.Decode(pair.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// addressesOf returns the addresses of instances.
func addressesOf(instances ...*instance) []string {
	var addresses []string
	for _, i := range instances {
		addresses = append(addresses, i.Address)
	}
	return addresses
}

// sustain sends rate requests a second to target, whether answers come or not, until the
// function that it returns is called, or the test ends.
func sustain(t testing.TB, target string, rate float64) (stop func() *Result) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	var result *Result
	load.Go(func() { result = Open(ctx, target, 64, rate, int(rate*time.Hour.Seconds())) })
	stop = func() *Result {
		cancel()
		load.Wait()
		return result
	}
	t.Cleanup(func() { stop() })
	return stop
}

// wantNoFailure fails the test if a single request of a load failed, and shows when.
func wantNoFailure(t testing.TB, what string, r *Result) {
	t.Helper()
	t.Logf("%s: %v", what, r)
	if r.Requests() == 0 {
		t.Errorf("%s: there were no requests", what)
	}
	for i, shown := 0, 0; i < len(r.Samples) && shown < 10; i++ {
		if s := &r.Samples[i]; s.Failure != "" {
			shown++
			t.Errorf("%s: the request at %v failed after %v: %s", what, s.At.Round(time.Millisecond), s.Latency.Round(time.Millisecond), s.Failure)
		}
	}
}
