package adapttest

// serve.go runs configurations in a Caddy inside the test process.

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
)

const (
	// listenersEnd is generous: Caddy closes listeners when it gets to it.
	listenersEnd = 30 * time.Second
	// closing is for the moment between the count of a socket's users, which Caddy lowers
	// first, and its end.
	closing = 10 * time.Millisecond
)

// Load makes Caddy run a configuration, in JSON, in the place of the one that may run. It
// returns when no other listens any more: connections that come to a listener at last are
// dropped.
func Load(config []byte) error {
	before := listening()
	err := caddy.Load(config, true)
	if ended := awaitListeners(before); err == nil {
		err = ended
	}
	return err
}

// LoadCaddyfile is Load for sites in a Caddyfile, with global options besides those that
// keep the test to itself: no admin API, no certificates, nothing persisted.
func LoadCaddyfile(t testing.TB, options, sites string) error {
	t.Helper()
	adapted, err := Adapt("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n" + options + "\n}\n" + sites)
	if err != nil {
		t.Fatalf("adapting: %v", err)
	}
	return Load([]byte(adapted))
}

// Storage is the global option that has Caddy store in a folder.
func Storage(folder string) string { return "\tstorage file_system {\n\t\troot " + folder + "\n\t}\n" }

// Stop stops Caddy, waits until nobody listens, and checks that nothing is left in the
// registry of live state.
func Stop(t testing.TB) {
	t.Helper()
	before := listening()
	if err := caddy.Stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if err := awaitListeners(before); err != nil {
		t.Error(err)
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("left in the registry: %v", left)
	}
}

// listening returns where the configuration that runs listens.
func listening() []string {
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		return nil
	}
	var addresses []string
	for _, server := range app.(*caddyhttp.App).Servers {
		addresses = append(addresses, server.Listen...)
	}
	return addresses
}

// awaitListeners waits until, of the addresses given, each is listened on by nobody, or
// once if the configuration that runs does. Caddy stops a configuration without waiting
// for the end of its listeners.
func awaitListeners(addresses []string) error {
	running := listening()
	for _, address := range addresses {
		want := 0
		if slices.Contains(running, address) {
			want = 1
		}
		at, err := caddy.ParseNetworkAddress(address)
		if err != nil {
			return err
		}
		for deadline := time.Now().Add(listenersEnd); caddy.ListenerUsage(at.Network, at.JoinHostPort(0)) != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("%d configurations listen on %s, want %d", caddy.ListenerUsage(at.Network, at.JoinHostPort(0)), address, want)
			}
		}
	}
	if len(addresses) > 0 {
		time.Sleep(closing)
	}
	return nil
}
