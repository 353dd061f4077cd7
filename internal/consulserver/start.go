package consulserver

// start.go starts Consul servers and knows when they are ready.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/internal/freeport"
)

const (
	// portAttempts bounds how often ports are drawn anew when others take them first.
	portAttempts = 5
	// look is the time between two looks whether a server is ready.
	look = 20 * time.Millisecond
	// lookWithin bounds one look: a server that is suspended does not answer.
	lookWithin = 5 * time.Second

	portTaken = "address already in use"
)

// startOnFreePorts starts servers that belong together and returns when all are ready.
// Other processes may take a port between its choice and the start.
func startOnFreePorts(t testing.TB, servers ...*Server) (err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for range portAttempts {
		for _, s := range servers {
			s.http, s.rpc, s.gossip = freeport.Port(t), freeport.Port(t), freeport.Port(t)
		}
		if err = startAll(ctx, servers); err == nil || !strings.Contains(err.Error(), portTaken) {
			return err
		}
		for _, s := range servers {
			err = errors.Join(err, s.agent.Stop(ctx), os.RemoveAll(s.dataDir()))
		}
	}
	return err
}

func startAll(ctx context.Context, servers []*Server) error {
	for _, s := range servers {
		if err := s.launch(); err != nil {
			return err
		}
	}
	// One that ends leaves the others without a leader.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan error)
	for _, s := range servers {
		go func() { ready <- s.waitReady(ctx) }()
	}
	var failed error
	for range servers {
		if err := <-ready; err != nil {
			failed = errors.Join(failed, err)
			cancel()
		}
	}
	return failed
}

func (s *Server) launch() error {
	if err := os.WriteFile(s.configFile(), s.configuration(), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of Consul: %w", err)
	}
	return s.agent.start()
}

// waitReady fails when the server ends or ctx does.
func (s *Server) waitReady(ctx context.Context) error {
	client, err := s.looker()
	if err != nil {
		return err
	}
	for {
		err := s.ready(ctx, client)
		if err == nil {
			return nil
		}
		if !s.Running() {
			return fmt.Errorf("starting Consul: it ended; the end of its log:\n%s", s.LogTail())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("starting Consul: %w: %w; the end of its log:\n%s", ctx.Err(), err, s.LogTail())
		case <-time.After(look):
		}
	}
}

// ready says what is not yet as it should be. It asks for the name first, since the port
// could be another server's.
func (s *Server) ready(ctx context.Context, client *api.Client) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	query := (&api.QueryOptions{}).WithContext(ctx)
	var self struct{ Config struct{ NodeName string } }
	if _, err := client.Raw().Query("/v1/agent/self", &self, query); err != nil {
		return err
	}
	if self.Config.NodeName != s.Node {
		return fmt.Errorf("at %s is the node %q", s.Address(), self.Config.NodeName)
	}
	leader, err := client.Status().LeaderWithQueryOptions(query)
	if err != nil {
		return err
	}
	if leader == "" {
		return errors.New("it has no leader")
	}
	// who has no node yet cannot begin a session there
	node, _, err := client.Catalog().Node(s.Node, query)
	if err != nil {
		return err
	}
	if node == nil {
		return errors.New("its node is not registered")
	}
	write := (&api.WriteOptions{}).WithContext(ctx)
	key := "consulserver/" + s.Node
	if _, err := client.KV().Put(&api.KVPair{Key: key}, write); err != nil {
		return err
	}
	_, err = client.KV().Delete(key, write)
	return err
}
