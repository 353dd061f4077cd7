package redisstream

// answer.go holds what an error of Redis means for a message.

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// memoryWait is how long a Redis without memory is left alone. It does not say itself.
const memoryWait = time.Second

// verdict is the result of a message, and whether it is that of every message for the
// same stream.
type verdict struct {
	sink.Result
	stream bool
}

// away are the codes with which Redis says that it takes nothing now, or nothing from
// this worker. No message is to blame, and none gets through.
var away = map[string]bool{
	"LOADING": true, "MASTERDOWN": true, "READONLY": true, "CLUSTERDOWN": true, "TRYAGAIN": true,
	"NOREPLICAS": true, "MISCONF": true, "BUSY": true, "NOAUTH": true, "WRONGPASS": true,
}

// judgeAppend says what an error means that XADD answered in the script.
func judgeAppend(stream, text string) verdict {
	text = cleanText(text)
	code := errorCode(text)
	result := sink.Result{Outcome: sink.Refused, Class: code, Err: fmt.Errorf("appending to stream %s: %s", stream, text)}
	switch {
	case code == "OOM":
		result.Outcome, result.RetryAfter = sink.Throttled, memoryWait
	case away[code], code == "NOPERM" && !isStreamForbidden(text):
		result.Outcome = sink.Unreachable
	}
	return verdict{Result: result, stream: code == "WRONGTYPE" || code == "NOPERM"}
}

// errorCode returns the first word of an error, which Redis means for programs.
func errorCode(text string) string {
	if strings.HasPrefix(text, "ERR The user executing the script can't ") {
		return "NOPERM" // as it is outside of scripts
	}
	code, _, _ := strings.Cut(text, " ")
	return code
}

// isStreamForbidden tells whether a user lacks the right to a stream, whose name a
// message supplies, and not the right to append at all.
func isStreamForbidden(text string) bool {
	return errorCode(text) == "NOPERM" && !strings.Contains(text, " run ")
}

// judgeCall says what an error means that a call of the script ended with. answered
// tells that it is the answer of Redis, which then has appended nothing.
func judgeCall(stream string, err error) (v verdict, answered bool) {
	var answer redis.Error
	if !errors.As(err, &answer) {
		class := "connection"
		if network := net.Error(nil); errors.As(err, &network) && network.Timeout() {
			class = "timeout"
		}
		err = fmt.Errorf("appending to stream %s: %w", stream, err)
		return verdict{Result: sink.Result{Outcome: sink.Unreachable, Class: class, Err: err}}, false
	}
	v = judgeAppend(stream, answer.Error())
	// Not XADD is what was refused but the script, and that no message could change,
	// unless it names a stream that the worker may not touch.
	if v.Outcome == sink.Refused && !isStreamForbidden(cleanText(answer.Error())) {
		v.Outcome = sink.Unreachable
	}
	return v, true
}

// isUnknownScript tells that Redis has forgotten the script, or never knew it.
func isUnknownScript(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && strings.HasPrefix(answer.Error(), "NOSCRIPT")
}

// cleanText takes away what servers put around an error, and the arguments that they
// repeat, among which may be a payload.
func cleanText(text string) string {
	text, _, _ = strings.Cut(text, ", with args beginning with:")
	if strings.HasPrefix(text, "@user_script") {
		// Before version 7: "@user_script: 27: -OOM command not allowed ..."
		if _, after, ok := strings.Cut(text, ": -"); ok {
			text = after
		}
	}
	return strings.TrimPrefix(text, "-")
}
