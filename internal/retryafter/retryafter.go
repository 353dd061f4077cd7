// Package retryafter reads the header Retry-After of answers.
package retryafter

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Of is for how long, from now on, an answer with this header asks to be left alone
// (RFC 9110, section 10.2.3: a number of seconds, or a date); 0 if it does not, or makes
// no sense. More than 2^31-1 seconds are that many.
func Of(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if value == "" {
		return 0
	}
	seconds, err := strconv.ParseUint(value, 10, 31)
	if err == nil {
		return time.Duration(seconds) * time.Second
	}
	if errors.Is(err, strconv.ErrRange) {
		return math.MaxInt32 * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
