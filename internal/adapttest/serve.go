package adapttest

// serve.go runs configurations in a Caddy inside the test process.

import (
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
)

// ListenersEnd is for how long the listeners of a configuration that was stopped may go
// on; Caddy drops the connections that they accept at last.
const ListenersEnd = 50 * time.Millisecond

// Load makes Caddy run a configuration, in JSON, in the place of the one that may run. If
// that one held live state, Load returns when its listeners have ended.
func Load(config []byte) error {
	reload := len(livestate.Default.List()) > 0
	if err := caddy.Load(config, true); err != nil {
		return err
	}
	if reload {
		time.Sleep(ListenersEnd)
	}
	return nil
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

// Stop stops Caddy, and checks that nothing is left in the registry of live state.
func Stop(t testing.TB) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("left in the registry: %v", left)
	}
}
