package lease

// errors.go says what went wrong with a request, and when it is tried again.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// The delays of the attempts after failed ones: they double, up to a most that lets the
// instance be registered within 2 s of Consul being well again. That is not much more
// than a lease asks of Consul anyway, which is a renewal every third of a TTL.
const (
	leastDelay = 500 * time.Millisecond
	mostDelay  = 1500 * time.Millisecond
)

// retry counts the failures in a row of one kind of request.
type retry struct{ failures int }

// delay returns how long to wait after one more failure: between half and all of what
// the doubling comes to, so that leases that failed together do not stay in step.
func (r *retry) delay() time.Duration {
	d := min(mostDelay, leastDelay<<min(r.failures, 4))
	r.failures++
	return d/2 + rand.N(d/2)
}

// spread returns d give or take a tenth.
func spread(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5) }

var (
	errNoAnswer = errors.New("no answer in time")
	// ids are what tokens look like. Consul names accessors and sessions, not the secret,
	// but what stands in front of it may repeat a request's header.
	ids = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)
)

// cause makes an error of the client one to show: without the URL, with the first line
// of what Consul says, and that not at any length.
func cause(doing string, err error) error {
	var status api.StatusError
	var withURL *url.Error
	switch {
	case errors.As(err, &status):
		text, _, _ := strings.Cut(strings.TrimSpace(status.Body), "\n")
		text = ids.ReplaceAllString(text, "...")
		text = strings.Map(func(r rune) rune {
			if isUnprintable(r) {
				return -1
			}
			return r
		}, text[:min(len(text), 200)])
		return fmt.Errorf("%s: Consul answers %d: %s", doing, status.Code, text)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, errNoAnswer)
	case errors.As(err, &withURL):
		return fmt.Errorf("%s: %w", doing, withURL.Err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
