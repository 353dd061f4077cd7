// Package consulserver gives tests a Consul of their own, one server or three. It is for
// tests only; nothing else may import it.
//
// The package depends on consul/api to make clients.
package consulserver

// server.go runs a Consul server for a test.

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// startWithin is generous: a busy machine starts slowly, and a server that
	// exits is noticed at once.
	startWithin = 2 * time.Minute
	stopWithin  = 20 * time.Second
)

// Options are how a Consul is started.
type Options struct {
	// Durable keeps the data on disk, so that a server that is started again has it.
	// Default: it is in memory, and a server that ends has lost everything.
	Durable bool
	// ACL has every request refused that has no token that allows it. Server.Token
	// allows everything. Default: everybody may do everything.
	ACL bool
}

// Server is a Consul server that listens on loopback alone. Its methods may be
// called from any goroutine; what fails in them fails the test.
type Server struct {
	// Node is the name of its node, which no other server has.
	Node string
	// Token allows everything on a server with Options.ACL, and is empty on others.
	Token string

	t                 testing.TB
	options           Options
	dir               string
	http, rpc, gossip int // ports
	peers             *Cluster
	agent             *child
}

// Start starts a server that ends with the test and keeps everything in memory:
// stopped and started again, it is empty. What it logged at last is shown if the test
// fails. The first call on a machine may build Consul, which takes minutes.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartWith(t, Options{})
}

// StartWith is Start with options.
func StartWith(t testing.TB, options Options) *Server {
	t.Helper()
	s := newServer(t, options, nil)
	if err := startOnFreePorts(t, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// newServer makes a server that has not been started, and that ends with the test.
func newServer(t testing.TB, options Options, peers *Cluster) *Server {
	t.Helper()
	binary, err := consulBinary(t)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Node: "weir-" + randomHex(4), t: t, options: options, dir: t.TempDir(), peers: peers}
	if options.ACL {
		s.Token = randomUUID()
	}
	args := []string{"agent", "-config-file", s.configFile()}
	if !options.Durable {
		args = append(args, "-dev")
	}
	s.agent = &child{name: "Consul", program: binary, args: args, log: filepath.Join(s.dir, "server.log")}
	t.Cleanup(s.end)
	return s
}

// end stops the server with its test.
func (s *Server) end() {
	s.t.Helper()
	if s.t.Failed() {
		s.t.Logf("log of %s:\n%s", s.Node, s.agent.LogTail())
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	s.check(s.agent.Stop(ctx))
}

// Address returns the host and port of the HTTP API. They never change.
func (s *Server) Address() string { return loopback(s.http) }

// rpcAddress is how the servers call this one among themselves.
func (s *Server) rpcAddress() string { return loopback(s.rpc) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Client returns a new client of the server, with connections of its own and the Token.
func (s *Server) Client() *api.Client {
	client, err := s.newClient(nil)
	s.check(err)
	return client
}

// newClient leaves nothing important to the variables of the environment.
func (s *Server) newClient(transport *http.Transport) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{Address: s.Address(), Scheme: "http", Token: s.Token, Transport: transport})
	if err != nil {
		return nil, fmt.Errorf("making a client of Consul: %w", err)
	}
	return client, nil
}

// looker returns a client that leaves no connection behind.
func (s *Server) looker() (*api.Client, error) {
	return s.newClient(&http.Transport{DisableKeepAlives: true})
}

// Running reports whether the server's process is there, suspended or not.
func (s *Server) Running() bool { return s.agent.pid() != 0 }

// PID returns the id of the server's process, or 0 when there is none.
func (s *Server) PID() int { return s.agent.pid() }

// LogTail returns the last lines that the server logged, up to 4 KiB.
func (s *Server) LogTail() string { return s.agent.LogTail() }

// Stop ends the server with SIGTERM and returns when it is gone. A server that is not
// running is left alone.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	s.check(s.agent.Stop(ctx))
}

// Kill ends the server with SIGKILL, as a crash does, and returns when it is gone.
func (s *Server) Kill() { s.check(s.agent.kill()) }

// Pause suspends the server: it takes connections and answers nothing.
func (s *Server) Pause() {
	s.check(s.agent.signal(suspend))
	// its threads go on until each has seen the signal
	for deadline := time.Now().Add(time.Second); !isSuspended(s.agent.pid()) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// Resume ends Pause.
func (s *Server) Resume() { s.check(s.agent.signal(resume)) }

// Start starts a server that has ended again, on the same ports, and returns when it has
// a leader and its node, and takes writes.
func (s *Server) Start() {
	s.Launch()
	s.WaitReady()
}

// Launch is Start without waiting: for a server that cannot have a leader yet, and for
// tests that watch for the first answer themselves.
func (s *Server) Launch() { s.check(s.launch()) }

// WaitReady returns when the server has a leader and its node, and takes writes. It is given
// two minutes.
func (s *Server) WaitReady() {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	s.check(s.waitReady(ctx))
}

// Wipe stops the server, removes its data, and starts it.
func (s *Server) Wipe() {
	s.Stop()
	s.check(os.RemoveAll(s.dataDir()))
	s.Start()
}

// check fails the test from any goroutine.
func (s *Server) check(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func randomUUID() string {
	h := randomHex(16)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
