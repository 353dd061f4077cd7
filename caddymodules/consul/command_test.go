package consul

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/governance/lease"
)

// leaseOf makes of a command line what the command would do, and asks nobody anything.
func leaseOf(t *testing.T, args ...string) (*serviceLease, error) {
	t.Helper()
	for _, name := range os.Environ() {
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(name, "CONSUL_") {
			t.Setenv(name, "")
		}
	}
	flags, cmd := new(leaseFlags), new(cobra.Command)
	flags.bind(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		return nil, err
	}
	return flags.serviceLease(slog.New(slog.DiscardHandler))
}

func TestServiceLeaseDefaults(t *testing.T) {
	s, err := leaseOf(t, "--service", "web", "--address", "[2001:db8::1]:8080")
	if err != nil {
		t.Fatal(err)
	}
	again, err := leaseOf(t, "--service", "web", "--address", "[2001:db8::1]:8080")
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`^\[2001:db8::1\]:8080~[0-9a-f]{8}$`)
	if !id.MatchString(s.instance.ID) || s.instance.ID == again.instance.ID {
		t.Errorf("the ids of two processes are %q and %q", s.instance.ID, again.instance.ID)
	}
	s.instance.ID, s.settings.Logger = "", nil
	if want := (lease.Instance{Address: "2001:db8::1", Port: 8080, Scheme: "http", Weight: 1}); s.instance != want {
		t.Errorf("the instance is %+v, want %+v", s.instance, want)
	}
	got := s.settings
	if got.Service != "web" || got.Prefix != "weir/services" || got.TTL != 10*time.Second || got.Drain != 5*time.Second || s.health != nil {
		t.Errorf("the settings are %+v, and health %v", got, s.health)
	}
}

func TestServiceLeaseFlags(t *testing.T) {
	s, err := leaseOf(t, "--service", "web", "--address", "web.internal:443", "--id", "web-1", "--ttl", "1m", "--weight", "2.5",
		"--drain", "0s", "--scheme", "https", "--stage", "canary", "--version", "1.4.2", "--zone", "a", "--prefix", "shop/services",
		"--health-url", "https://127.0.0.1:8443/health", "--health-interval", "5s", "--health-timeout", "3s",
		"--consul", "https://10.0.0.1:8501", "--token", "t0ken", "--datacenter", "dc2")
	if err != nil {
		t.Fatal(err)
	}
	want := lease.Instance{
		ID: "web-1", Address: "web.internal", Port: 443, Scheme: "https", Weight: 2.5,
		Stage: "canary", Version: "1.4.2", Zone: "a",
	}
	if s.instance != want {
		t.Errorf("the instance is %+v, want %+v", s.instance, want)
	}
	if got := s.settings; got.TTL != time.Minute || got.Drain >= 0 || got.Prefix != "shop/services" {
		t.Errorf("the settings are %+v", got)
	}
	if h := s.health; h == nil || h.url != "https://127.0.0.1:8443/health" || h.interval != 5*time.Second || h.client.Timeout != 3*time.Second {
		t.Errorf("health is %+v", h)
	}
}

func TestServiceLeaseRefusesFlags(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--address 10.0.1.10:8080", "flag --service is missing"},
		{"--service web", "flag --address is missing"},
		{"--service web --address 10.0.1.10", `flag --address "10.0.1.10" is no host:port`},
		{"--service web --address 10.0.1.10:http", `flag --address "10.0.1.10:http": the port "http" is not one of 1 to 65535`},
		{"--service web --address 10.0.1.10:0", `the port "0" is not one of 1 to 65535`},
		{"--service web --address :8080", `flag --address "" is neither an IP address nor a host name`},
		{"--service web --address 0.0.0.0:8080", `flag --address "0.0.0.0" is not the address of one machine`},
		{"--service a/b --address 10.0.1.10:8080", `flag --service "a/b" is not made of`},
		{"--service web --address 10.0.1.10:8080 --id a/b", `flag --id "a/b" is not made of`},
		{"--service web --address 10.0.1.10:8080 --prefix /a", `flag --prefix "/a": the part "" is not made of`},
		{"--service web --address 10.0.1.10:8080 --scheme ftp", `flag --scheme "ftp" is not http, https or h2c`},
		{"--service web --address 10.0.1.10:8080 --ttl 5s", "flag --ttl 5s is not between 10s and 24h"},
		{"--service web --address 10.0.1.10:8080 --ttl 0s", "flag --ttl 0s is less than 10s"},
		{"--service web --address 10.0.1.10:8080 --ttl soon", `invalid argument "soon" for "--ttl"`},
		{"--service web --address 10.0.1.10:8080 --drain -1s", "flag --drain -1s is less than 0s"},
		{"--service web --address 10.0.1.10:8080 --drain 2h", "flag --drain 2h0m0s is more than 1h"},
		{"--service web --address 10.0.1.10:8080 --weight 0", "flag --weight 0 would register an instance that gets no request"},
		{"--service web --address 10.0.1.10:8080 --weight -1", "flag --weight -1 is not between 0 and"},
		{"--service web --address 10.0.1.10:8080 --health-url 127.0.0.1:8080/health?key=t0ken", "flag --health-url is no URL of the form http://host:port/path"},
		{"--service web --address 10.0.1.10:8080 --health-url http:///health", "flag --health-url is no URL"},
		{"--service web --address 10.0.1.10:8080 --health-url http://a/ --health-interval 1ms", "flag --health-interval 1ms is less than 100ms"},
		{"--service web --address 10.0.1.10:8080 --health-url http://a/ --health-timeout 0s", "flag --health-timeout 0s is less than 1ms"},
		{"--service web --address 10.0.1.10:8080 --consul ftp://10.0.0.1 --token t0ken", "from flags and environment: address"},
		{"--service web --address 10.0.1.10:8080 --token-file " + empty, "token_file " + empty + " is empty"},
		{"--service web --address 10.0.1.10:8080 --token-file /nowhere/at/all", "token_file: open"},
		{"--service web --address 10.0.1.10:8080 --token t0ken --token-file " + empty, "flags --token and --token-file exclude each other"},
	} {
		_, err := leaseOf(t, strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v, want %s", c.args, err, c.want)
		}
	}
}
