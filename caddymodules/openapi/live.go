package openapi

// live.go holds what outlives a configuration, under the contract's name.

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
)

// kind is the registry's name for contracts.
const kind = "contracts"

// live is one contract: its documents, and what is known of the requests that it judged.
type live struct {
	tracks
	counts *counts
	ring   ring
	logs   limiter
}

func newLive(name string) *live { return &live{counts: newCounts(name)} }

// acquire takes up the live state and the document.
func (h *Handler) acquire(ctx caddy.Context) error {
	s := h.trackSettings()
	var err error
	h.live, h.handle, err = livestate.Acquire(livestate.Default, livestate.Claim{
		Key:           livestate.Key{Kind: kind, Name: h.Name},
		Configuration: ctx.GetMetricsRegistry(),
		Settings:      s.key(),
		Place:         "an openapi_contract with the document " + shownSource(h.Source) + " and its settings",
	}, func() (*live, error) { return newLive(h.Name), nil })
	if err != nil {
		return err
	}
	h.track, err = h.live.hold(ctx, s, h.logger)
	return err
}
