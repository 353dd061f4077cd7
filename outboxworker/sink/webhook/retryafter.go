package webhook

// retryafter.go holds how long a receiver wants to be left alone.

import (
	"net/http"
	"strings"
	"time"
)

const (
	minRetryAfter = time.Second
	maxRetryAfter = time.Hour
)

// parseRetryAfter reads the value of a Retry-After header, seconds or a date. The result
// is between minRetryAfter, also for a value that is missing or nonsense, and
// maxRetryAfter.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	wait := time.Duration(0)
	if seconds, ok := parseSeconds(value); ok {
		wait = seconds
	} else if date, err := http.ParseTime(value); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, minRetryAfter), maxRetryAfter)
}

// parseSeconds reads digits, however many. A result above maxRetryAfter is one of those.
func parseSeconds(value string) (wait time.Duration, ok bool) {
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return 0, false
		}
		if wait <= maxRetryAfter {
			wait = 10*wait + time.Duration(c-'0')*time.Second
		}
	}
	return wait, value != ""
}
