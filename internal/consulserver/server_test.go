package consulserver

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// noticedWithin is how soon Consul must have done what takes it a second or two on a
// machine that does nothing else.
const noticedWithin = 30 * time.Second

func put(t *testing.T, s *Server, key string) {
	t.Helper()
	if _, err := s.Client().KV().Put(&api.KVPair{Key: key, Value: []byte("v")}, nil); err != nil {
		t.Errorf("writing: %v", err)
	}
}

func has(t *testing.T, s *Server, key string) bool {
	t.Helper()
	pair, _, err := s.Client().KV().Get(key, nil)
	if err != nil {
		t.Errorf("reading: %v", err)
	}
	return pair != nil
}

// eventually fails the test if what never comes true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(noticedWithin); !holds(); time.Sleep(look) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s it is not so that %s", noticedWithin, what)
		}
	}
}

func TestConsulServersLoseOrKeepTheirData(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{"in memory": {}, "durable": {Durable: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := StartWith(t, options)
			address, pid := s.Address(), s.PID()
			for how, end := range map[string]func(){"stopped": s.Stop, "killed": s.Kill} {
				put(t, s, "k")
				end()
				if s.Running() || s.PID() != 0 {
					t.Errorf("%s, it runs", how)
				}
				if _, _, err := s.Client().KV().Get("k", nil); err == nil {
					t.Errorf("%s, it answers", how)
				}
				s.Start()
				if got := has(t, s, "k"); got != options.Durable {
					t.Errorf("%s and started again, it has what was written: %t", how, got)
				}
				if s.Address() != address || s.PID() == pid || s.PID() == 0 {
					t.Errorf("%s and started again, it is process %d at %s", how, s.PID(), s.Address())
				}
			}
			put(t, s, "k")
			s.Wipe()
			if has(t, s, "k") {
				t.Error("after Wipe it has what was written before")
			}
		})
	}
}

func TestConsulServersAreSuspended(t *testing.T) {
	t.Parallel()
	var s *Server
	t.Run("test", func(t *testing.T) {
		s = Start(t)
		ask := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _, err := s.Client().KV().Get("k", (&api.QueryOptions{}).WithContext(ctx))
			return err
		}
		s.Pause()
		if err := ask(); err == nil {
			t.Error("suspended, it answers")
		}
		s.Resume()
		eventually(t, "it answers again", func() bool { return ask() == nil })
		s.Pause()
		s.Stop() // does not wait for it to be resumed
		s.Start()
		s.Pause()
	})
	if s == nil || s.Running() {
		t.Error("it runs after its test")
	}
}

func TestConsulServersWithACL(t *testing.T) {
	t.Parallel()
	s := StartWith(t, Options{ACL: true})
	if s.Token == "" {
		t.Error("there is no token")
	}
	anonymous, err := api.NewClient(&api.Config{Address: s.Address()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := anonymous.KV().Put(&api.KVPair{Key: "k"}, nil); err == nil {
		t.Error("it takes a write without a token")
	}
	put(t, s, "k")
	token := &api.ACLToken{SecretID: randomUUID(), Policies: []*api.ACLTokenPolicyLink{{Name: "global-management"}}}
	revocable, err := api.NewClient(&api.Config{Address: s.Address(), Token: token.SecretID})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // revoked and restored
		made, _, err := s.Client().ACL().TokenCreate(token, nil)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the token may write", func() bool {
			_, err := revocable.KV().Put(&api.KVPair{Key: "k"}, nil)
			return err == nil
		})
		if _, err := s.Client().ACL().TokenDelete(made.AccessorID, nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the token may not write any more", func() bool {
			_, err := revocable.KV().Put(&api.KVPair{Key: "k"}, nil)
			return err != nil
		})
	}
	s.Stop()
	s.Start()
	if _, _, err := s.Client().ACL().TokenReadSelf(nil); err != nil {
		t.Errorf("the token after a restart: %v", err)
	}
}

func TestConsulServersElectANewLeader(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	leader, followers := c.Leader(), c.Followers()
	if len(followers) != 2 || followers[0] == leader || followers[1] == leader || followers[0] == followers[1] {
		t.Fatalf("of %d servers %s leads, and %d follow", len(c.Servers), leader.Node, len(followers))
	}
	put(t, followers[0], "before")
	for _, end := range []func(*Server){(*Server).Kill, (*Server).Pause} {
		end(leader)
		begun := time.Now()
		next := c.Leader()
		if took := time.Since(begun); took > noticedWithin {
			t.Errorf("an election took %v", took)
		}
		if next == leader {
			t.Errorf("%s leads though it does not run", leader.Node)
		}
		put(t, next, "between")
		leader = next
		for _, s := range c.Servers { // one of them is down
			if s.Running() {
				s.Resume()
			} else {
				s.Start()
			}
		}
		for _, s := range c.Servers {
			eventually(t, s.Node+" has what was written", func() bool {
				return has(t, s, "before") && has(t, s, "between")
			})
		}
	}
	// what was killed counts again
	follower := c.Followers()[0]
	follower.Kill()
	put(t, c.Leader(), "after")
	follower.Launch()
	follower.WaitReady()
}

func TestConsulServersThatCannotStart(t *testing.T) {
	t.Parallel()
	s := Start(t)
	other := newServer(t, Options{}, nil)
	other.http, other.rpc, other.gossip = s.http, s.rpc, s.gossip
	err := startAll(t.Context(), []*Server{other})
	if err == nil || !strings.Contains(err.Error(), portTaken) {
		t.Errorf("two servers with the same ports: %v", err)
	}
	if err := startOnFreePorts(t, other); err != nil {
		t.Error(err)
	}
	if err := startAll(t.Context(), []*Server{other}); err == nil {
		t.Error("a server that runs is started")
	}
	if err := other.agent.kill(); err != nil {
		t.Error(err)
	}
	if err := other.agent.kill(); err == nil {
		t.Error("a server that does not run is killed")
	}
	if err := other.agent.signal(resume); err == nil {
		t.Error("a server that does not run is resumed")
	}
	other.agent.program = other.dir
	if err := other.launch(); err == nil {
		t.Error("a folder is started")
	}
	if other.LogTail() == "" {
		t.Error("there is no log")
	}
	if err := os.Remove(other.agent.log); err != nil || other.LogTail() != "" {
		t.Errorf("there is a log without a file (%v)", err)
	}
}
