package consul

// command.go holds what caddy service-lease is told by its flags, and what of it makes
// no sense.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/hashicorp/consul/api"
	"github.com/spf13/cobra"
	"go.uber.org/zap/exp/zapslog"

	"github.com/weirproxy/weir/governance/lease"
)

const commandName = "service-lease"

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  commandName,
		Usage: "--service <name> --address <host:port> [--health-url <url>]",
		Short: "Registers a service with Consul for as long as it answers",
		Long: `
Holds a lease of Consul for a service that does not do so itself: the key
<prefix>/<service>/<id>, which gateways with "dynamic consul_kv <service>" follow and
which Consul removes when this command is gone.

With --health-url, the lease is held while that URL answers with a status of 2xx; three
failures in a row give it up, and the next answer takes it again. Without, it is held all
the time. On SIGTERM or SIGINT the instance is marked as draining, the lease is released
after --drain, and the command ends: stop it before the service. A second signal ends it
at once.

Consul's address, token and TLS files come from the usual environment variables
(CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT, ...) unless
flags say otherwise. Consul may be away at any time, also at the start.
`,
		CobraFunc: func(cmd *cobra.Command) {
			flags := new(leaseFlags)
			flags.bind(cmd)
			cmd.Args = cobra.NoArgs
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return flags.run() })
		},
	})
}

// leaseFlags are the values of the flags.
type leaseFlags struct {
	settings lease.Settings
	instance lease.Instance
	address  string // of the instance, with its port

	healthURL                     string
	healthInterval, healthTimeout time.Duration

	consul, token, tokenFile, datacenter string
}

func (f *leaseFlags) bind(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.settings.Service, "service", "", "The service's name (required)")
	set.StringVar(&f.address, "address", "", "Where others reach this instance, host:port (required)")
	set.StringVar(&f.instance.ID, "id", "", "The instance's id within the service (default: the address, ~ and eight random hex digits)")
	set.DurationVar(&f.settings.TTL, "ttl", lease.DefaultTTL, "The session's time to live, 10s to 24h: a killed instance is gone after one to two of it")
	set.Float64Var(&f.instance.Weight, "weight", 1, "The instance's weight beside others")
	set.DurationVar(&f.settings.Drain, "drain", lease.DefaultDrain, "How long the instance is marked as draining before the lease is released; 0 for not at all")
	set.StringVar(&f.instance.Scheme, "scheme", "http", "How to talk to the instance: http, https or h2c")
	set.StringVar(&f.instance.Stage, "stage", "", "The instance's stage, such as stable or canary")
	set.StringVar(&f.instance.Version, "version", "", "The instance's version")
	set.StringVar(&f.instance.Zone, "zone", "", "The zone the instance is in")
	set.StringVar(&f.settings.Prefix, "prefix", lease.DefaultPrefix, "What comes before the service in the key")
	set.StringVar(&f.healthURL, "health-url", "", "The URL that answers a GET with 2xx while the service is well")
	set.DurationVar(&f.healthInterval, "health-interval", 2*time.Second, "The time between two questions to that URL")
	set.DurationVar(&f.healthTimeout, "health-timeout", time.Second, "How long an answer may take")
	set.StringVar(&f.consul, "consul", "", "Consul's address (default: CONSUL_HTTP_ADDR, else 127.0.0.1:8500)")
	set.StringVar(&f.token, "token", "", "Consul's token; others see it in the list of processes: prefer --token-file or CONSUL_HTTP_TOKEN")
	set.StringVar(&f.tokenFile, "token-file", "", "A file with Consul's token, read once at the start")
	set.StringVar(&f.datacenter, "datacenter", "", "Consul's datacenter (default: the agent's)")
}

// run is the command.
func (f *leaseFlags) run() (int, error) {
	log := slog.New(zapslog.NewHandler(caddy.Log().Core(),
		// the default adds a stack trace to errors
		zapslog.WithName(commandName), zapslog.AddStacktraceAt(slog.Level(127))))
	held, err := f.serviceLease(log)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := held.run(context.Background(), signals); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	return caddy.ExitCodeSuccess, nil
}

// serviceLease makes of the flags what the command does. It asks nobody anything.
func (f *leaseFlags) serviceLease(log *slog.Logger) (*serviceLease, error) {
	if f.settings.Service == "" {
		return nil, errors.New("flag --service is missing: give the name of the service")
	}
	s := &serviceLease{settings: f.settings, instance: f.instance, log: log}
	s.settings.Logger = log
	if err := f.place(&s.instance); err != nil {
		return nil, err
	}
	switch {
	case s.settings.Drain < 0:
		return nil, fmt.Errorf("flag --drain %s is less than 0s", s.settings.Drain)
	case s.settings.TTL == 0: // which is the default for lease.Hold, as is a drain of 0
		return nil, errors.New("flag --ttl 0s is less than 10s")
	case s.instance.Weight == 0:
		return nil, errors.New("flag --weight 0 would register an instance that gets no request: give more, or do not run the command")
	case s.settings.Drain == 0:
		s.settings.Drain = -1
	}
	if err := s.settings.Validate(); err != nil {
		return nil, fmt.Errorf("flag --%w", err) // which begins with the name of what is wrong
	}
	if err := s.instance.Validate(); err != nil {
		return nil, fmt.Errorf("flag --%w", err)
	}
	var err error
	if s.health, err = f.healthCheck(); err != nil {
		return nil, err
	}
	s.client, err = f.client()
	return s, err
}

// place fills in where the instance is, and its id.
func (f *leaseFlags) place(i *lease.Instance) error {
	if f.address == "" {
		return errors.New("flag --address is missing: give the host:port at which others reach the service")
	}
	host, port, err := net.SplitHostPort(f.address)
	if err != nil {
		return fmt.Errorf("flag --address %q is no host:port", f.address)
	}
	i.Address = host
	if i.Port, err = strconv.Atoi(port); err != nil || i.Port < 1 || i.Port > 65535 {
		return fmt.Errorf("flag --address %q: the port %q is not one of 1 to 65535", f.address, port)
	}
	if i.ID == "" {
		i.ID = fmt.Sprintf("%s~%08x", i.HostPort(), rand.Uint32())
	}
	return nil
}

// healthCheck returns nil if there is nothing to ask.
func (f *leaseFlags) healthCheck() (*healthCheck, error) {
	if f.healthURL == "" {
		return nil, nil
	}
	u, err := url.Parse(f.healthURL)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		// without the URL, in which there may be a password
		return nil, errors.New("flag --health-url is no URL of the form http://host:port/path or https://host:port/path")
	case f.healthInterval < 100*time.Millisecond:
		return nil, fmt.Errorf("flag --health-interval %s is less than 100ms", f.healthInterval)
	case f.healthTimeout < time.Millisecond:
		return nil, fmt.Errorf("flag --health-timeout %s is less than 1ms", f.healthTimeout)
	}
	return newHealthCheck(u.String(), f.healthInterval, f.healthTimeout), nil
}

// client makes the client of Consul of the flags and, for what they leave out, of the
// environment.
func (f *leaseFlags) client() (*api.Client, error) {
	if f.token != "" && f.tokenFile != "" {
		return nil, errors.New("flags --token and --token-file exclude each other: choose one")
	}
	settings := Settings{Address: f.consul, Token: f.token, TokenFile: f.tokenFile, Datacenter: f.datacenter}
	client, _, err := settings.connect()
	if err != nil {
		return nil, fmt.Errorf("settings of Consul from flags and environment: %w", err)
	}
	return client, nil
}
