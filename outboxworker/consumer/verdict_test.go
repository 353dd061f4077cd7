package consumer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

func TestJudge(t *testing.T) {
	err := errors.New("no")
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "done 0s "},
		{err, "failed 0s failed"},
		{Class(err, "status 500"), "failed 0s status 500"},
		{Class(nil, "status 500"), "done 0s "},
		{Fatal(err), "fatal 0s fatal"},
		{Fatal(nil), "fatal 0s fatal"},
		{Fatal(Class(err, "status 422")), "fatal 0s status 422"},
		{Class(Fatal(err), "status 422"), "fatal 0s status 422"},
		{fmt.Errorf("wrapped: %w", Class(fmt.Errorf("wrapped: %w", Fatal(err)), "c")), "fatal 0s c"},
		{Busy(time.Second), "busy 1s busy"},
		{Unavailable(err, time.Minute), "unavailable 1m0s unavailable"},
		{Unavailable(nil, 0), "unavailable 0s unavailable"},
		{Unavailable(Fatal(err), 0), "unavailable 0s unavailable"},
		{Class(Class(err, "inner"), "outer"), "failed 0s outer"},
		{errors.Join(errors.New("other"), Fatal(err)), "fatal 0s fatal"},
		{After(err, 2*time.Hour), "failed 1h0m0s failed"},
	} {
		v := Judge(test.err)
		if have := fmt.Sprintf("%s %s %s", v.What, v.After, v.Class); have != test.want {
			t.Errorf("%v: %s, want %s", test.err, have, test.want)
		}
	}
}

// What is kept of an error is bounded, and UTF-8.
func TestMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		-time.Second: -1000, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, math.MaxInt64: 9223372036855,
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("%s is %d ms, want %d", d, got, want)
		}
	}
}

func TestClipped(t *testing.T) {
	if got := clipped(strings.Repeat("é", 10), 5); got != "éé\uFFFD" {
		t.Errorf("%q", got)
	}
	if got := clipped("a\xffb", 5); got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
}

// missing is an error that panics when it is nil, as it is in an error.
type missing struct{ what string }

func (m *missing) Error() string { return m.what + " is missing" }

// A typed nil is a failure, and takes nobody down.
func TestErrorPanics(t *testing.T) {
	t.Parallel()
	client := connect(t, testserver.Redis(t))
	publish(t, client, events, "1")
	options := quick()
	options.Retries = 0
	run(t, client, func(context.Context, *Message) error { return Class((*missing)(nil), "lookup") }, options)
	d := deadOf(t, client, events)
	eventually(t, "it is dead", func() bool { return len(listed(t, d, Filter{Class: "panic"})) == 1 })
}
