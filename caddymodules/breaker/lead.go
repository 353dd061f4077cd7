package breaker

// lead.go has a configuration take effect on the breaker when it leads, and not before: it
// may yet fail to load.

import (
	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/inforce"
)

// Lead implements livestate.Leader: the settings hold from now on, and changes are told to
// this configuration. Thresholds that were decided for other settings end; that they do is
// stored once the configuration is in force, so that they don't come back should the
// settings.
func (h *Handler) Lead() {
	d := h.live.Decision()
	outdated := d.Configured != nil && *d.Configured != h.settings
	h.breaker.Adopt()
	if outdated {
		inforce.Then(h.ctx, h.storeEnd)
	}
}

func (h *Handler) storeEnd() {
	h.live.deciding.Lock()
	defer h.live.deciding.Unlock()
	h.logger.Info("thresholds decided for other settings are dropped", zap.String("breaker", h.Name))
	if err := h.save(); err != nil {
		h.logger.Warn("storing operator's decision", zap.String("breaker", h.Name), zap.Error(err))
	}
}
