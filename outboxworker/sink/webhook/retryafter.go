package webhook

// retryafter.go holds how long a receiver wants to be left alone.

import (
	"net/http"
	"time"

	"github.com/weirproxy/weir/internal/retryafter"
)

const (
	minRetryAfter = time.Second
	maxRetryAfter = time.Hour
)

// retryAfter reads the header Retry-After. The result is between minRetryAfter, also for a
// value that is missing or nonsense, and maxRetryAfter.
func retryAfter(header http.Header, now time.Time) time.Duration {
	return min(max(retryafter.Of(header, now), minRetryAfter), maxRetryAfter)
}
