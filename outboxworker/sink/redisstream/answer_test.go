package redisstream

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// fromRedis is an error as the client returns it for an answer of Redis.
type fromRedis string

func (e fromRedis) Error() string { return string(e) }
func (fromRedis) RedisError()     {}

func TestJudgeAppend(t *testing.T) {
	for _, test := range []struct {
		text    string
		outcome sink.Outcome
		stream  bool
	}{
		{"LOADING Redis is loading the dataset in memory", sink.Unreachable, false},
		{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", sink.Unreachable, false},
		{"READONLY You can't write against a read only replica.", sink.Unreachable, false},
		{"CLUSTERDOWN The cluster is down", sink.Unreachable, false},
		{"TRYAGAIN Multiple keys request during rehashing of slot", sink.Unreachable, false},
		{"NOREPLICAS Not enough good replicas to write.", sink.Unreachable, false},
		{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", sink.Unreachable, false},
		{"BUSY Redis is busy running a script.", sink.Unreachable, false},
		{"NOAUTH Authentication required.", sink.Unreachable, false},
		{"WRONGPASS invalid username-password pair or user is disabled.", sink.Unreachable, false},
		{"ERR The user executing the script can't run this command or subcommand", sink.Unreachable, true},
		{"OOM command not allowed when used memory > 'maxmemory'.", sink.Throttled, false},
		{"@user_script: 27: -OOM command not allowed when used memory > 'maxmemory'.", sink.Throttled, false},
		{"-READONLY You can't write against a read only replica.", sink.Unreachable, false},
		{"WRONGTYPE Operation against a key holding the wrong kind of value", sink.Refused, true},
		{"NOPERM this user has no permissions to access one of the keys used as arguments", sink.Refused, true},
		{"ERR The user executing the script can't access at least one of the keys mentioned in the command arguments", sink.Refused, true},
		{"ERR The stream has exhausted the last possible ID, unable to add more items", sink.Refused, false},
		{"", sink.Refused, false},
	} {
		v := judgeAppend("events:a", test.text)
		if v.Outcome != test.outcome || v.Outcome == sink.Refused && v.stream != test.stream {
			t.Errorf("%s: %s, for the stream: %t", test.text, v.Outcome, v.stream)
		}
		if wait := map[bool]time.Duration{true: time.Second}[test.outcome == sink.Throttled]; v.RetryAfter != wait {
			t.Errorf("%s: retry after %s", test.text, v.RetryAfter)
		}
		if text := v.Err.Error(); !strings.HasPrefix(text, "appending to stream events:a: ") || strings.Contains(text, "@user") {
			t.Errorf("%s: error %s", test.text, text)
		}
	}
}

func TestJudgeCall(t *testing.T) {
	for _, test := range []struct {
		err      error
		outcome  sink.Outcome
		stream   bool
		answered bool
	}{
		{io.EOF, sink.Unreachable, false, false},
		{context.DeadlineExceeded, sink.Unreachable, false, false},
		{&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}, sink.Unreachable, false, false},
		{redis.ErrClosed, sink.Unreachable, false, false},
		{fromRedis("BUSY Redis is busy running a script."), sink.Unreachable, false, true},
		{fromRedis("OOM command not allowed when used memory > 'maxmemory'."), sink.Throttled, false, true},
		{fromRedis("NOPERM this user has no permissions to run the 'evalsha' command"), sink.Unreachable, false, true},
		{fromRedis("NOPERM User relay has no permissions to access the 'events:a' key"), sink.Refused, true, true},
		{fromRedis("ERR unknown command 'EVALSHA', with args beginning with: '1' 'payload'"), sink.Unreachable, false, true},
		{fromRedis("MOVED 3999 127.0.0.1:6381"), sink.Unreachable, false, true},
	} {
		v, answered := judgeCall("events:a", test.err)
		if v.Outcome != test.outcome || answered != test.answered || v.Outcome == sink.Refused && v.stream != test.stream {
			t.Errorf("%v: %s, for the stream: %t, answered: %t", test.err, v.Outcome, v.stream, answered)
		}
		if strings.Contains(v.Err.Error(), "payload") {
			t.Errorf("a payload is in %q", v.Err)
		}
		if !test.answered && !errors.Is(v.Err, test.err) {
			t.Errorf("%v is not in %q", test.err, v.Err)
		}
	}
}

func TestClasses(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{fromRedis("OOM command not allowed when used memory > 'maxmemory'."), "OOM"},
		{fromRedis("@user_script: 27: -WRONGTYPE Operation against a key holding the wrong kind of value"), "WRONGTYPE"},
		{fromRedis("ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"), "NOPERM"},
		{context.DeadlineExceeded, "timeout"},
		{io.EOF, "connection"},
	} {
		if v, _ := judgeCall("events:a", test.err); v.Class != test.want {
			t.Errorf("%v: class %q, want %q", test.err, v.Class, test.want)
		}
	}
}
