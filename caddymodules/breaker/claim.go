package breaker

// claim.go tells which handlers share a breaker, and holds what they share.

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/breakerconf"
)

// kind is the registry's name for what breakers keep.
const kind = "breakers"

// liveBreaker is the part of a breaker that the registry keeps.
type liveBreaker struct {
	*circuit.History
	fallbacksRefused atomic.Uint64
	fallbacksFailure atomic.Uint64
	dryRunLogged     atomic.Int64 // when, in Unix nanoseconds

	deciding sync.Mutex // held while decisions are read, changed and stored
	restored bool       // whether those of before are known
	decided  bool       // whether one was made before they were
}

// acquire takes up the live state.
func (h *Handler) acquire(ctx caddy.Context) error {
	where, err := h.place()
	if err != nil {
		return err
	}
	h.live, h.handle, err = livestate.Acquire(livestate.Default, livestate.Claim{
		Key:           livestate.Key{Kind: kind, Name: h.Name},
		Configuration: ctx.GetMetricsRegistry(),
		Settings:      fmt.Sprintf("%+v %v", h.settings, *h.failures),
		Place:         where,
	}, func() (*liveBreaker, error) { return &liveBreaker{History: circuit.NewHistory()}, nil })
	return err
}

// place says what was configured. The fallback is left out: it may hold a secret.
func (h *Handler) place() (string, error) {
	configured, err := json.Marshal(struct {
		Name string `json:"name"`
		breakerconf.Config
	}{h.Name, h.Config})
	if err != nil {
		return "", err
	}
	return "the breaker with " + string(configured), nil
}
