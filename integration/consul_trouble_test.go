package integration

// consul_trouble_test.go takes Consul away from a gateway and its instances, and gives it
// back. No request fails meanwhile, and the registrations come back by themselves.

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/internal/consulserver"
)

// A Consul that was stopped has what it had. Whether it ends the sessions that could not
// be renewed meanwhile is its own business.
func consulStops(t *testing.T, lasts time.Duration) {
	consul := consulserver.StartWith(t, consulserver.Options{Durable: true})
	e := newEstate(t, consul, tokens{})
	consul.Stop()
	over := time.After(lasts)
	e.noticed()
	<-over
	e.keepsServing("while Consul is down")
	consul.Launch()
	e.recovers("stopped for " + lasts.String())
	e.calm(1)
}

func TestConsulStopsForLongerThanATTL(t *testing.T) {
	t.Parallel()
	consulStops(t, 12*time.Second)
}

func TestSoakConsulStopsForAMinute(t *testing.T) {
	Soak(t)
	consulStops(t, time.Minute)
}

// A suspended Consul takes connections and questions, and leaves all without an answer.
func TestConsulIsSlow(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	e := newEstate(t, consul, tokens{})
	consul.Pause()
	over := time.After(15 * time.Second)
	e.instancesNoticed()
	<-over
	e.keepsServing("while Consul is suspended")
	e.witness.mark()
	consul.Resume()
	e.recovers("suspended for 15s")
	e.calm(1)
}

// A Consul that begins anew knows no session and no key, and counts from the start.
func TestConsulLosesItsData(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	e := newEstate(t, consul, tokens{})
	consul.Kill()
	e.noticed()
	consul.Launch()
	e.recovers("wiped")
	e.calm(1)
}

// renewalIsDue waits until a renewal of the instance is due within half a second.
func renewalIsDue(t *testing.T, i *instance) {
	t.Helper()
	const due = lease.DefaultTTL * 3 / 10 // a third of the TTL less a tenth
	if !Eventually(consulPatience, func() bool {
		r, err := i.registration()
		return err == nil && time.Since(r.Renewed) > due
	}) {
		t.Fatalf("%s renews all the time", i.Name)
	}
}

// The gateway and the instances speak with a follower, which has nobody to ask until
// there is another leader.
func consulLosesItsLeader(t *testing.T) {
	cluster := consulserver.StartCluster(t)
	leader := cluster.Leader()
	e := newEstate(t, cluster.Followers()[0], tokens{})
	renewalIsDue(t, e.instances[0])
	leader.Kill()
	e.witness.mark()
	e.recovers("leader killed")
	e.keepsServing("with another leader")
	leader.Start()
	e.witness.mark()
	e.recovers("leader back as a follower")
	e.calm(2)
	for _, i := range e.instances {
		if r, err := i.registration(); err != nil || r.Registrations > 1 && r.Losses[lease.NotRenewed] == 0 {
			t.Errorf("%s was lost with the leader: %+v, %v", i.Name, r, err)
		}
	}
}

func TestConsulLosesItsLeader(t *testing.T) {
	t.Parallel()
	consulLosesItsLeader(t)
}

func TestSoakConsulLosesItsLeaderAgainAndAgain(t *testing.T) {
	Soak(t)
	for n := range 5 {
		t.Run(fmt.Sprint(n), consulLosesItsLeader)
	}
}

// The gateway and the instances speak with the very server that is killed. They have no
// other, as an instance has one agent, and wait for it to come back. The rest of the cluster
// goes on meanwhile and ends their sessions.
func consulsAskedServerIsKilled(t *testing.T, end func(*estate, *consulserver.Server)) {
	cluster := consulserver.StartCluster(t)
	asked := cluster.Leader()
	e := newEstate(t, asked, tokens{})
	renewalIsDue(t, e.instances[0])
	asked.Kill()
	e.noticed()
	end(e, cluster.Leader())
	e.keepsServing("while its server is down")
	asked.Launch()
	e.recovers("server that was asked killed, and back")
	e.calm(1)
	for _, i := range e.instances {
		if r, err := i.registration(); err != nil || r.Registrations != 2 {
			t.Errorf("%s was not registered anew: %+v, %v", i.Name, r, err)
		}
	}
}

func TestConsulServerThatIsAskedIsKilled(t *testing.T) {
	t.Parallel()
	// what the TTL does later
	consulsAskedServerIsKilled(t, func(e *estate, other *consulserver.Server) {
		endSessions(e.t, other.Client(), e.sessions()...)
	})
}

func TestSoakConsulServerThatIsAskedIsKilledForLongerThanTTLs(t *testing.T) {
	Soak(t)
	consulsAskedServerIsKilled(t, func(_ *estate, other *consulserver.Server) {
		if !Eventually(4*lease.DefaultTTL, func() bool {
			keys, _, err := other.Client().KV().Keys(webKeys, "", nil)
			return err == nil && len(keys) == 0
		}) {
			t.Error("the cluster does not end the sessions")
		}
	})
}

// endSessions has Consul end sessions, and with them their keys.
func endSessions(t *testing.T, client *api.Client, sessions ...string) {
	t.Helper()
	for _, session := range sessions {
		if _, err := client.Session().Destroy(session, nil); err != nil {
			t.Error(err)
		}
	}
}

// An operator ends a session, deletes a key, and then ends all sessions at once.
func TestConsulOperatorTakesRegistrationsAway(t *testing.T) {
	t.Parallel()
	consul := consulserver.Start(t)
	client := consul.Client()
	e := newEstate(t, consul, tokens{})

	one := e.instances[0]
	endSessions(t, client, e.sessions()[0])
	e.witness.mark()
	e.recovers("session ended by an operator")

	r, err := one.registration()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.KV().Delete(r.Key, nil); err != nil {
		t.Fatal(err)
	}
	e.witness.mark()
	e.recovers("key deleted by an operator")
	if after, err := one.registration(); err != nil || after.Session != r.Session {
		t.Errorf("with the key deleted, the session is not the same any more: %+v, %v", after, err)
	}

	endSessions(t, client, e.sessions()...)
	e.witness.mark()
	e.recovers("all sessions ended by an operator")
	e.calm(3)
	r, err = one.registration()
	if err != nil || r.Losses[lease.SessionGone] != 2 || r.Losses[lease.KeyGone] != 1 || r.Registrations != 4 {
		t.Errorf("what happened is counted as %+v, %v", r, err)
	}
}
