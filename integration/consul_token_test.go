package integration

// consul_token_test.go takes the tokens of a gateway and its instances away, and gives
// them back.

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/internal/consulserver"
)

const (
	// revokedFor is longer than a TTL, and than the gateway would take to believe that
	// there is nobody.
	revokedFor = 16 * time.Second
	// revokedEmptyAfter is as much longer than the instances take to register again as a
	// busy machine may hold them up.
	revokedEmptyAfter = 10 * time.Second

	gatewayRules   = `key_prefix "weir/services/" { policy = "read" }`
	instancesRules = `key_prefix "weir/services/" { policy = "write" } session_prefix "" { policy = "write" }`
)

// token is one that can be taken away and given back with the same secret.
type token struct {
	t      *testing.T
	acl    *api.ACL
	made   *api.ACLToken
	secret string
	policy []*api.ACLTokenPolicyLink
}

func newToken(t *testing.T, consul *consulserver.Server, name, secret, rules string) *token {
	t.Helper()
	k := &token{t: t, acl: consul.Client().ACL(), secret: secret}
	_, _, err := k.acl.PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.policy = []*api.ACLTokenPolicyLink{{Name: name}}
	k.create()
	return k
}

func (k *token) create() {
	k.t.Helper()
	var err error
	if k.made, _, err = k.acl.TokenCreate(&api.ACLToken{SecretID: k.secret, Policies: k.policy}, nil); err != nil {
		k.t.Fatal(err)
	}
}

func (k *token) delete() {
	k.t.Helper()
	if _, err := k.acl.TokenDelete(k.made.AccessorID, nil); err != nil {
		k.t.Fatal(err)
	}
}

// allow gives the token its policy, or takes it away.
func (k *token) allow(policy []*api.ACLTokenPolicyLink) {
	k.t.Helper()
	changed := *k.made
	changed.Policies = policy
	if _, _, err := k.acl.TokenUpdate(&changed, nil); err != nil {
		k.t.Fatal(err)
	}
}

func (k *token) disallow() { k.allow(nil) }
func (k *token) reallow()  { k.allow(k.policy) }

// revocation is of the tokens of a gateway and of its instances.
type revocation struct {
	revokeGateway, restoreGateway     func(*token)
	revokeInstances, restoreInstances func(*token)
	// gatewayIsTold is what the gateway says of it.
	gatewayIsTold string
}

// Consul answers a question with a token that may read nothing, and leaves everything out.
// That is not to be taken for there being nobody.
func TestConsulTokensAreRevokedAndRestored(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*revocation{
		"the gateway's has no policy, the instances' are deleted": {
			(*token).disallow, (*token).reallow, (*token).delete, (*token).create, "may not read",
		},
		"the gateway's is deleted, the instances' have no policy": {
			(*token).delete, (*token).create, (*token).disallow, (*token).reallow, "status 403",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.run(t)
		})
	}
}

func (r *revocation) run(t *testing.T) {
	consul := consulserver.StartWith(t, consulserver.Options{ACL: true})
	gateways := newToken(t, consul, "gateways", "7a1f0a44-3c6e-4d7b-9f10-0d7c5a9e1b01", gatewayRules)
	instances := newToken(t, consul, "instances", "7a1f0a44-3c6e-4d7b-9f10-0d7c5a9e1b02", instancesRules)
	e := newEstate(t, consul, tokens{instances: instances.secret, gateway: gateways.secret},
		"empty_after "+revokedEmptyAfter.String())

	r.revokeGateway(gateways)
	r.revokeInstances(instances)
	over := time.After(revokedFor)
	// The question that waits for an answer has the rights that it began with: this folder
	// is one.
	if _, err := consul.Client().KV().Put(&api.KVPair{Key: webKeys}, nil); err != nil {
		t.Fatal(err)
	}
	e.noticed()
	<-over
	e.keepsServing("while the tokens are revoked")
	f, err := e.gateway.followed()
	if err != nil || !strings.Contains(f.Error, r.gatewayIsTold) || f.EmptyBelieved > 0 {
		t.Errorf("while the tokens are revoked the gateway says %+v, %v", f.Status, err)
	}

	// what the TTL does a little later
	endSessions(t, consul.Client(), e.sessions()...)
	r.restoreGateway(gateways)
	// now there really is nobody, and the gateway may read that
	if !Eventually(heardWithin, func() bool {
		f, err = e.gateway.followed()
		return err == nil && f.Up && !f.EmptySince.IsZero()
	}) {
		t.Errorf("with its token back the gateway says %+v, %v", f.Status, err)
	}
	r.restoreInstances(instances)
	e.witness.mark()
	e.recovers("tokens revoked and restored")
	e.calm(1)
	for name, g := range e.processes() {
		if log, err := os.ReadFile(g.log); err != nil || strings.Contains(string(log), gateways.secret) || strings.Contains(string(log), instances.secret) {
			t.Errorf("the log of %s has a token in it (%v)", name, err)
		}
		for _, view := range []string{"/governance/discovery", "/governance/registrations"} {
			if a := g.Get(view); strings.Contains(a.Body, gateways.secret) || strings.Contains(a.Body, instances.secret) {
				t.Errorf("%s of %s has a token in it", view, name)
			}
		}
	}
}
