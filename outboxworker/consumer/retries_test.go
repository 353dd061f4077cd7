package consumer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/internal/testserver"
)

// patient are options whose retries are due in an hour or more.
func patient(o Options) Options {
	o.Backoff = backoff.Policy{Base: 3 * time.Hour, Cap: 100 * time.Hour}
	return o
}

func retriesOf(t testing.TB, client redis.UniversalClient, name string) *Retries {
	t.Helper()
	r, err := NewRetries(client, name, group)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func listedRetries(t testing.TB, r *Retries, f Filter) []Retry {
	t.Helper()
	found, _, err := r.List(t.Context(), f, "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func idsOfRetries(found []Retry) []string {
	ids := []string{}
	for _, r := range found {
		ids = append(ids, r.Message.ID)
	}
	slices.Sort(ids)
	return ids
}

// delay makes messages with these ids, of two topics and two errors, wait for hours.
func delay(t *testing.T, client redis.UniversalClient, count int) *Retries {
	t.Helper()
	c := run(t, client, func(_ context.Context, m *Message) error {
		if strings.HasSuffix(m.ID, "3") {
			return Class(fmt.Errorf("order %s is unknown", m.ID), "unknown")
		}
		return errRefused
	}, patient(quick()))
	pipe := client.Pipeline()
	for i := range count {
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: events, Values: []any{
			"id", i, "topic", []string{"orders", "bills"}[i%2], "key", fmt.Sprint("k", i%10), "payload", "secret", "biz_id", fmt.Sprint("b", i),
			"headers", `{"authorization":"secret"}`,
		}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all wait", func() bool { return seenOf(t, client, events).waiting == int64(count) })
	c.stop()
	return retriesOf(t, client, events)
}

func TestListRetries(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	r := delay(t, client, 20)
	all := listedRetries(t, r, Filter{})
	key := "k3"
	for name, test := range map[string]struct {
		filter Filter
		want   string
	}{
		"topic":       {Filter{Topic: "bills"}, "[1 11 13 15 17 19 3 5 7 9]"},
		"key":         {Filter{Key: &key}, "[13 3]"},
		"class":       {Filter{Class: "unknown"}, "[13 3]"},
		"fingerprint": {Filter{Fingerprint: all[slices.IndexFunc(all, func(r Retry) bool { return r.Message.ID == "13" })].Fingerprint}, "[13 3]"},
		"text":        {Filter{Text: "ORDER 13 is"}, "[13]"},
		"ids":         {Filter{IDs: []string{all[1].EntryID, all[0].EntryID, "1-1", "foreign"}}, fmt.Sprint(idsOfRetries(all[:2]))},
		"message ids": {Filter{MessageIDs: []string{"5", "7", "99"}}, "[5 7]"},
		"biz id":      {Filter{BizID: "b5"}, "[5]"},
		"all of them": {Filter{Topic: "bills", Class: "failed", MessageIDs: []string{"5", "3"}}, "[5]"},
		"since":       {Filter{Since: time.Now().Add(time.Hour)}, "[]"},
		"until":       {Filter{Until: time.Now().Add(-time.Hour)}, "[]"},
		"parked":      {Filter{State: StateParked}, "[]"},
	} {
		if have := fmt.Sprint(idsOfRetries(listedRetries(t, r, test.filter))); have != test.want {
			t.Errorf("%s: %s, want %s", name, have, test.want)
		}
	}
	one := all[0]
	if !slices.IsSortedFunc(all, func(a, b Retry) int { return a.Due.Compare(b.Due) }) || time.Until(one.Due) < time.Hour || one.Overdue ||
		one.State != StateRetry || one.Attempts != 1 || one.PayloadBytes != 6 || one.Error == "" || time.Since(one.Since).Abs() > time.Minute {
		t.Errorf("%+v", one)
	}
	if text := fmt.Sprintf("%+v", all); strings.Contains(text, "secret") {
		t.Errorf("a payload or header: %s", text)
	}
	counts, err := r.Counts(t.Context())
	if err != nil || counts.Retry != 20 || counts.Parked+counts.Handling+counts.Unread+counts.Pending+counts.Dead != 0 || !counts.NextDue.Equal(one.Due) || counts.Length != 20 {
		t.Errorf("%+v, %v", counts, err)
	}
	missing, err := retriesOf(t, client, "missing").Counts(t.Context())
	if err != nil || missing != (Counts{}) {
		t.Errorf("of a stream that is not there: %+v, %v", missing, err)
	}
}

// Pages go on where the one before ended: with many that are due at the same time, between
// scores and members that no script writes, and when the last one has gone.
func TestPagesOfRetries(t *testing.T) {
	client := connect(t, testserver.Redis(t))
	r := delay(t, client, 30)
	s := r.stream
	pipe := client.Pipeline()
	for i, retry := range listedRetries(t, r, Filter{}) {
		if i >= 10 {
			pipe.ZAdd(t.Context(), s.due, redis.Z{Score: 4e12, Member: retry.name})
		} else if i < 4 {
			pipe.ZAdd(t.Context(), s.due, redis.Z{Score: []float64{math.Inf(-1), 12.5, 1e300, math.Inf(1)}[i], Member: retry.name})
		}
	}
	for i, foreign := range []string{"", "a b", "\x00\xff", "\xff", "zzz", strings.Repeat("9", 1<<16)} {
		pipe.ZAdd(t.Context(), s.due, redis.Z{Score: []float64{4e12, math.Inf(-1), math.Inf(1)}[i%3], Member: foreign})
	}
	pipe.HSet(t.Context(), s.entries, "foreign", "\xc1", "foreign 2", "no MessagePack")
	pipe.HSet(t.Context(), s.state, "foreign", `{"since":1e308,"attempts":"x","entry":7,"first_failed_at":-5}`)
	pipe.ZAdd(t.Context(), s.due, redis.Z{Score: 4e12, Member: "foreign"}, redis.Z{Score: 4e12, Member: "foreign 2"})
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, vanish := range []bool{false, true} {
		var found []Retry
		for after, pages := "", 0; ; pages++ {
			some, next, err := r.List(t.Context(), Filter{}, after, 3)
			if err != nil || pages > 20 {
				t.Fatal(pages, err)
			}
			found = append(found, some...)
			if vanish && next != "" {
				last := some[len(some)-1].name
				if err := errors.Join(client.ZRem(t.Context(), s.due, last).Err(), client.HDel(t.Context(), s.entries, last).Err()); err != nil {
					t.Fatal(err)
				}
			}
			if after = next; after == "" {
				break
			}
		}
		want := []string{"", ""}
		for i := range 30 {
			want = append(want, fmt.Sprint(i))
		}
		slices.Sort(want)
		if have := idsOfRetries(found); !slices.Equal(have, want) {
			t.Errorf("vanishing %v: %q", vanish, have)
		}
	}
	if found, _, err := r.List(t.Context(), Filter{}, "no place", 1); err != nil || len(found) != 1 {
		t.Errorf("after what is no place: %v, %v", found, err)
	}
}
