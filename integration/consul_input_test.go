package integration

// consul_input_test.go has others write what is no instance, or none to be trusted, where the
// gateway looks for instances.

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	// inputRequests are sent each time to see who gets them.
	inputRequests = 300
	inputClients  = 8
)

// malformed are values by key. Where they have an address it is the one given, which then
// must get no connection.
func malformed(trap string) map[string]string {
	host, port, _ := net.SplitHostPort(trap)
	value := func(id, address, port, more string) string {
		return fmt.Sprintf(`{"id":%q,"address":%q,"port":%s%s}`, id, address, port, more)
	}
	return map[string]string{
		"empty":          "",
		"null":           "null",
		"text":           "hello",
		"list":           "[" + value("list", host, port, "") + "]",
		"half":           strings.TrimSuffix(value("half", host, port, ""), "}"),
		"twice":          value("twice", host, port, "") + value("twice", host, port, ""),
		"no-utf8":        value("no-utf8", host, port, `,"zone":"`+"\xff"+`"`),
		"nested":         strings.Repeat("[", 16<<10),
		"large":          value("large", host, port, `,"more":"`+strings.Repeat("x", 500<<10)+`"`),
		"types":          `{"id":"types","address":["` + host + `"],"port":"` + port + `"}`,
		"another-id":     value("another", host, port, ""),
		"no-id":          fmt.Sprintf(`{"address":%q,"port":%s}`, host, port),
		"folder/one":     value("one", host, port, ""),
		"no-address":     value("no-address", "", port, ""),
		"everywhere":     value("everywhere", "0.0.0.0", port, ""),
		"everywhere-6":   value("everywhere-6", "::", port, ""),
		"multicast":      value("multicast", "224.0.0.1", port, ""),
		"with-port":      value("with-port", trap, port, ""),
		"short-address":  value("short-address", "127.1", port, ""),
		"hex-address":    value("hex-address", "0x7f000001", port, ""),
		"url":            value("url", "http://"+host, port, ""),
		"placeholder":    value("placeholder", "{http.request.header.X}", port, ""),
		"port-0":         value("port-0", host, "0", ""),
		"port-negative":  value("port-negative", host, "-1", ""),
		"port-large":     value("port-large", host, "65536", ""),
		"port-fraction":  value("port-fraction", host, port+".5", ""),
		"weight":         value("weight", host, port, `,"weight":-1`),
		"weight-large":   value("weight-large", host, port, `,"weight":1e300`),
		"weight-endless": value("weight-endless", host, port, `,"weight":1e999`),
		"load":           value("load", host, port, `,"load":-1`),
		"scheme":         value("scheme", host, port, `,"scheme":"ftp"`),
		"zone":           value("zone", host, port, `,"zone":"`+strings.Repeat("z", 65)+`"`),
		"started":        value("started", host, port, `,"started_at":"yesterday"`),
	}
}

// skipped is how many instances there are in a state that is not used.
func (f *follower) skipped(state string) int {
	return int(f.Metrics().Sum("gateway_discovery_instances", "source", f.source, "state", state))
}

// loggedOnce fails the test unless a line was logged once.
func (f *follower) loggedOnce(t testing.TB, message string) {
	t.Helper()
	if n := strings.Count(f.Log(), message); n != 1 {
		t.Errorf("%q was logged %d times, want once", message, n)
	}
}

// Whatever there is below the key of a service: what is no instance is skipped, counted, and
// told of once.
func TestConsulSkipsWhatIsNoInstance(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	client := consul.Client()
	trap := newTap(t, "127.0.0.1:0", "")
	backends := threeBackends(t)
	r := newRoster(t, client)
	r.putBackends(backends...)
	values := malformed(trap.Address)
	writeAll := func() {
		for id, value := range values {
			r.write(id, []byte(value))
		}
	}
	writeAll()
	valid := []byte(fmt.Sprintf(`{"id":"free","address":"127.0.0.1","port":%s}`, portOf(trap.Address)))
	for _, key := range []string{
		webKeys,          // the folder, as Consul's own pages make it; it is no mistake
		webKeys + "free", // no session holds it
		strings.TrimSuffix(webKeys, "/") + "2/free", // of another service
	} {
		if _, err := client.KV().Put(&api.KVPair{Key: key, Value: valid}, nil); err != nil {
			t.Fatal(err)
		}
	}
	f := gatewayFor(t, consul)
	f.awaitUse(t, consulPatience, Addresses(backends)...)
	skips := func(want int) {
		t.Helper()
		if !Eventually(consulPatience, func() bool { return f.skipped("malformed") == want }) {
			t.Errorf("%d entries count as malformed, want %d", f.skipped("malformed"), want)
		}
	}
	skips(len(values) + 1)
	values["later"] = "{}"
	writeAll()
	skips(len(values) + 1)

	wantNoFailure(t, "requests beside malformed entries", Closed(t.Context(), f.site.URL(), inputClients, inputRequests))
	v, err := f.followed()
	if err != nil || v.Malformed != len(values)+1 || !strings.Contains(v.MalformedWhy, webKeys) || !f.uses(Addresses(backends)...) {
		t.Errorf("the gateway follows %+v, %v", v, err)
	}
	t.Logf("%d malformed entries, such as %s", v.Malformed, v.MalformedWhy)
	f.loggedOnce(t, "entries that make no sense are skipped")
	if n := trap.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made to the address in malformed entries", n)
	}
	for id := range values {
		r.remove(id)
	}
	r.remove("free")
	skips(0)
	f.loggedOnce(t, "all entries make sense again")
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// Where instances may be is kept to, also when there is nobody else left.
func TestConsulUsesNoAddressThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	for source, tell := range map[string]func(*testing.T, *api.Client) func(id, address string){
		"consul_kv": func(t *testing.T, client *api.Client) func(id, address string) {
			r := newRoster(t, client)
			return func(id, address string) { r.put(instanceAt(id, address)) }
		},
		"consul_service": func(t *testing.T, client *api.Client) func(id, address string) {
			return func(id, address string) {
				i := instanceAt(id, address)
				service := &api.AgentServiceRegistration{ID: i.ID, Name: "web", Address: i.Address, Port: i.Port}
				if err := client.Agent().ServiceRegister(service); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(source, func(t *testing.T) {
			consul := consulserver.Start(t)
			usesAllowed(t, consul, source, tell(t, consul.Client()))
		})
	}
}

// usesAllowed has a gateway follow good back ends and others.
func usesAllowed(t *testing.T, consul *consulserver.Server, source string, tell func(id, address string)) {
	t.Helper()
	const allowed, outside = "127.0.0.0/24", "127.0.9.9"
	backends := threeBackends(t)
	for _, b := range backends {
		tell(b.Name, b.Address)
	}
	trap := newTap(t, outside+":0", "")
	local := newTap(t, "127.0.0.1:"+portOf(trap.Address), "") // where the name leads to
	others := map[string]string{
		"outside":       outside,
		"mapped":        "::ffff:" + outside,
		"name":          "localhost",
		"name-of-inner": "one.localhost",
		"other-family":  "::1",
	}
	for id, host := range others {
		tell(id, net.JoinHostPort(host, portOf(trap.Address)))
	}
	s := newFollowingSite(t, consul)
	s.Dynamic = sourceBlock(source+" web", "allow "+allowed)
	f := follow(t, s)
	f.source = source + ":web"
	f.awaitUse(t, consulPatience, Addresses(backends)...)
	// the agent may tell the catalogue of some of them a moment later
	if !Eventually(consulPatience, func() bool { return f.skipped("refused") == len(others) }) {
		t.Errorf("%d instances count as refused, want %d", f.skipped("refused"), len(others))
	}
	if v, err := f.followed(); err != nil || v.Refused != len(others) || v.RefusedAddress == "" {
		t.Errorf("the gateway follows %+v, %v", v, err)
	}
	f.loggedOnce(t, "instances outside the allowed addresses are refused")

	wantNoFailure(t, "requests to what is allowed", Closed(t.Context(), s.URL(), inputClients, inputRequests))
	for _, b := range backends {
		b.Die()
	}
	if r := Closed(t.Context(), s.URL(), inputClients, inputRequests); r.FailedAnswers() != inputRequests {
		t.Errorf("with nobody left that is allowed: %v", r)
	}
	for _, p := range []*tap{trap, local} {
		if n := p.accepted.Load(); n != 0 {
			t.Errorf("%d connections were made to %s", n, p.Address)
		}
	}
}
