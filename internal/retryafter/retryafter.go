// Package retryafter reads the header Retry-After of answers.
package retryafter

import (
	"net/http"
	"strconv"
	"time"
)

// Of is for how long, from now on, an answer with this header asks to be left alone
// (RFC 9110, section 10.2.3: a number of seconds, or a date); 0 if it does not, or makes
// no sense.
func Of(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
