package idempotency

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("a", MaxLength)
	for _, test := range []struct{ group, id, reason string }{
		{"g", "0198c2f0-1111-7222-8333-444455556666", ""},
		{long, long, ""},
		{"a:b}", "{ü}:", ""},
		{"", "1", "its name of the group is empty"},
		{"g", "", "its id is empty"},
		{long + "a", "1", "its name of the group has 256 bytes"},
		{"g", long + "a", "its id has 256 bytes"},
		{"g", "a\xff", "its id is not UTF-8"},
		{"g\x00", "1", "its name of the group is not UTF-8 without NUL"},
	} {
		err := Check(test.group, test.id)
		if test.reason == "" && err != nil || test.reason != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), test.reason)) {
			t.Errorf("%.20q of %.20q: %v, want %q", test.id, test.group, err, test.reason)
		}
	}
}

func TestStatusInLogs(t *testing.T) {
	for status, want := range map[Status]string{Started: "started", Busy: "busy", AlreadyDone: "already done", 0: "status 0"} {
		if status.String() != want {
			t.Errorf("%d is %s, want %s", int(status), status, want)
		}
	}
}
