package processhealth

// check.go polls the dependencies that readiness depends on.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// mostChecks caps the checks: each is a goroutine and, where metrics are made of a
// Report, some series.
const mostChecks = 20

// What is less polls all the time, or gives nothing the time to answer.
const (
	leastEvery   = 100 * time.Millisecond
	leastTimeout = time.Millisecond
)

// Check is a dependency without which the process is not ready. It fails for every
// process that shares the dependency, at the same time: name only what no request can
// be served without.
type Check struct {
	// Name identifies the check: a fixed text of at most 100 bytes. Required.
	Name string
	// URL is asked with GET, http or https; it is well if the answer's status is 2xx.
	// Redirects are not followed. It has no { and }, as placeholders are not replaced. It
	// is not shown anywhere, as it may hold a secret.
	URL string
	// Probe, if not nil, is called in place of asking the URL. It must end when its
	// context does.
	Probe func(context.Context) error
	// Every is the time between two polls, give or take a tenth, so that processes that
	// started together do not stay in step; at least 100 ms. Default: 5 s.
	Every time.Duration
	// Timeout bounds a poll, at least 1 ms. Default: 1 s.
	Timeout time.Duration
	// Failures is how many polls in a row must fail before a check that was well
	// fails. One success mends it. Default: 2.
	Failures int
}

func (c Check) withDefaults() Check {
	if c.Every == 0 {
		c.Every = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	if c.Failures == 0 {
		c.Failures = 2
	}
	return c
}

func validateChecks(checks []Check) error {
	if len(checks) > mostChecks {
		return fmt.Errorf("check: %d checks are too many, the limit is %d", len(checks), mostChecks)
	}
	seen := make(map[string]bool)
	for _, c := range checks {
		if seen[c.Name] {
			return fmt.Errorf("check %s is given twice", c.Name)
		}
		seen[c.Name] = true
		if err := c.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Validate says what makes no sense.
func (c Check) Validate() error {
	if c.Name == "" || len(c.Name) > 100 || !utf8.ValidString(c.Name) {
		return fmt.Errorf("check %q: the name must be a text of 1 to 100 bytes", c.Name)
	}
	switch d := c.withDefaults(); {
	case d.Every < leastEvery:
		return fmt.Errorf("check %s: every %s is less than %s", c.Name, d.Every, leastEvery)
	case d.Timeout < leastTimeout:
		return fmt.Errorf("check %s: timeout %s is less than %s", c.Name, d.Timeout, leastTimeout)
	case d.Failures < 1:
		return fmt.Errorf("check %s: failures must be positive, not %d", c.Name, d.Failures)
	case c.Probe != nil:
		return nil
	case strings.ContainsAny(c.URL, "{}"):
		return fmt.Errorf("check %s: the URL contains a placeholder, which nothing replaces: it must be a fixed text", c.Name)
	}
	// the error would repeat the URL, with its secrets
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("check %s: the URL must be one such as http://127.0.0.1:8080/health", c.Name)
	}
	return nil
}

var errUnknown = errors.New("not checked yet")

// check is a Check and its results.
type check struct {
	Check
	mu       sync.Mutex
	err      error // of the last poll
	failing  bool
	failures int // in a row
	since    time.Time
}

// newChecks takes over the results of the first check before that is the same. Others
// fail until they are answered for the first time, or are well until they fail if the
// process is at work already: what is new to it is no reason to send its traffic away.
func newChecks(settings []Check, before []*check, atWork bool) []*check {
	checks := make([]*check, len(settings))
	for i, s := range settings {
		c := &check{Check: s.withDefaults(), err: errUnknown, failing: !atWork, since: time.Now()}
		same := func(old *check) bool { return old.Name == c.Name && old.URL == c.URL }
		if j := slices.IndexFunc(before, same); j >= 0 {
			old := before[j]
			old.mu.Lock()
			c.err, c.failing, c.failures, c.since = old.err, old.failing, old.failures, old.since
			old.mu.Unlock()
		}
		checks[i] = c
	}
	return checks
}

// poll polls until ctx is done, the first time at once.
func (c *check) poll(ctx context.Context, tell func(string, error)) {
	for {
		next := time.NewTimer(time.Duration((0.9 + 0.2*rand.Float64()) * float64(c.Every)))
		err := c.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if changed := c.record(err); changed && tell != nil {
			tell(c.Name, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
	}
}

// record notes a result and reports whether the check is another now.
func (c *check) record(err error) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, first := c.failing, errors.Is(c.err, errUnknown)
	c.err = err
	if err == nil {
		c.failing, c.failures = false, 0
	} else if c.failures++; c.failures >= c.Failures {
		c.failing = true
	}
	changed = c.failing != before || first && c.failing
	if changed {
		c.since = time.Now()
	}
	return changed
}

func (c *check) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if c.Probe != nil {
		return c.Probe(ctx)
	}
	return get(ctx, c.URL)
}

// client of the checks. Every poll connects anew: whether that works is a part of
// the question, and nothing must be closed when a check ends.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func get(ctx context.Context, target string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return errors.New("the URL is none")
	}
	r.Header.Set("User-Agent", "weir-process-health")
	answer, err := client.Do(r)
	if err != nil {
		var withURL *url.Error // whose text has the URL, with its secrets
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		return err
	}
	answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("the answer's status is %d", answer.StatusCode)
	}
	return nil
}

func (c *check) report() CheckReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := CheckReport{Name: c.Name, OK: !c.failing, Since: c.since}
	if c.err != nil {
		r.Error = c.err.Error()
	}
	return r
}
