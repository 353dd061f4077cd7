package sink

// expired.go holds when a sink stops beginning to send.

import (
	"context"
	"time"
)

// Expired tells that a sink is to begin nothing more of the batch: ctx is done, or
// Until has passed.
func (b *Batch) Expired(ctx context.Context) bool {
	return ctx.Err() != nil || !b.Until.IsZero() && !time.Now().Before(b.Until)
}
