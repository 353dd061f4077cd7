package discovery

// source.go says what a Watcher asks.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

// Source tells the instances of a service. KV and Catalogue make one.
type Source interface {
	// Name says what is asked, in a few words, without secrets: for logs, and to tell
	// whose set a cache file holds.
	Name() string
	// Ask returns the instances when the index of the answer is above index, or after
	// wait, or at once if index is 0. It must end when ctx does.
	Ask(ctx context.Context, index uint64, wait time.Duration) (Answer, error)
}

// Answer is all that a source tells at a time.
type Answer struct {
	// Instances are in no particular order. Of those with the same ID the first counts.
	// They are valid, with IP addresses in the spelling that lease.Decode gives them.
	Instances []lease.Instance
	// Index is Consul's, which grows with changes; 0 if the answer has none.
	Index uint64
	// Malformed is how many entries are not among the instances because they make no
	// sense; Why says what is wrong with one of them.
	Malformed int
	Why       string
}

// skip notes an entry that makes no sense.
func (a *Answer) skip(name string, err error) {
	if a.Malformed++; a.Why == "" {
		a.Why = fmt.Sprintf("%.200q: %v", name, err)
	}
}

// options of a question.
func options(ctx context.Context, index uint64, wait time.Duration) *api.QueryOptions {
	return (&api.QueryOptions{WaitIndex: index, WaitTime: wait}).WithContext(ctx)
}

var (
	errNotConsul = errors.New("the answer is not one of Consul's: it has no index")
	errFiltered  = errors.New("the token may not read any of the entries")
)

// founded tells whether there being no entries is what Consul says. A token that lost
// its rights gets an answer all the same, with all entries left out. And a prefix without
// a key is status 404, which is also what a proxy says to what it does not know.
//
// To who gives no token Consul does not tell that it left entries out; one, a question
// about a single thing that needs the same right, it refuses then.
func founded(entries int, meta *api.QueryMeta, one func() error) error {
	switch {
	case entries > 0:
		return nil
	case meta.ResultsFilteredByACLs:
		return errFiltered
	case meta.LastIndex == 0:
		return errNotConsul
	case meta.DefaultACLPolicy == "deny":
		var status api.StatusError
		if err := one(); errors.As(err, &status) && status.Code == http.StatusForbidden {
			return plain(err)
		}
	}
	return nil
}

// plain makes an error of the client one for people: without the URL, which can have a
// password in it, and without the pages that proxies answer with.
func plain(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	var status api.StatusError
	if errors.As(err, &status) {
		return fmt.Errorf("consul answered with status %d: %.200q", status.Code, status.Body)
	}
	return err
}
