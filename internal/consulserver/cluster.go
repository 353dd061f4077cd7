package consulserver

// cluster.go runs three Consul servers that make a cluster.

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// clusterSize is the smallest number of servers of which one may be missing.
const clusterSize = 3

// Cluster is three Consul servers that keep their data on disk. A server that is killed
// stays a member, so that it is one again when it is started.
type Cluster struct {
	// Servers are all of them, in no particular order.
	Servers []*Server

	t testing.TB
}

// StartCluster starts three servers that end with the test, and returns when each takes
// writes. What they logged at last is shown if the test fails.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for range clusterSize {
		c.Servers = append(c.Servers, newServer(t, Options{Durable: true}, c))
	}
	if err := startOnFreePorts(t, c.Servers...); err != nil {
		t.Fatal(err)
	}
	return c
}

// Leader returns the server that a majority follows. While there is none it waits, and
// ends the test after two minutes, so that it is to be called where t.Fatal may be.
func (c *Cluster) Leader() *Server {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		if leader := c.leader(ctx); leader != nil {
			return leader
		}
		select {
		case <-ctx.Done():
			c.t.Fatal("waiting for a leader of Consul: there is none")
		case <-time.After(look):
		}
	}
}

// Followers returns the servers but the Leader, for which it waits. They need not run.
func (c *Cluster) Followers() []*Server {
	c.t.Helper()
	leader := c.Leader()
	var followers []*Server
	for _, s := range c.Servers {
		if s != leader {
			followers = append(followers, s)
		}
	}
	return followers
}

// leader returns nil unless a majority names the same server and that one agrees: for a
// while after its end, a leader is still named by those that followed.
func (c *Cluster) leader(ctx context.Context) *Server {
	votes, agrees := make(map[string]int), make(map[string]bool)
	for _, s := range c.Servers {
		named := s.namesLeader(ctx)
		votes[named]++
		agrees[s.rpcAddress()] = named == s.rpcAddress()
	}
	for _, s := range c.Servers {
		if votes[s.rpcAddress()] > clusterSize/2 && agrees[s.rpcAddress()] {
			return s
		}
	}
	return nil
}

// namesLeader returns what the server says is the leader's address, or nothing.
func (s *Server) namesLeader(ctx context.Context) string {
	if !s.Running() {
		return ""
	}
	client, err := s.looker()
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second) // it may be suspended
	defer cancel()
	leader, err := client.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return ""
	}
	return leader
}
