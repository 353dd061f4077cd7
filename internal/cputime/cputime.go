// Package cputime bounds how long something may take in tests. It counts the CPU time of the process, which a busy machine
// does not make longer, as it does the time that goes by. It is for tests only; nothing else may import it.
package cputime

import (
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// RaceFactor is how many times as long Within allows for under the race detector.
const RaceFactor = 10

// Within fails the test if f takes more CPU time than the limit, and returns what it takes. Nothing else may run in the
// process meanwhile: no test that calls it, or runs beside it, calls t.Parallel.
func Within(t testing.TB, limit time.Duration, f func()) time.Duration {
	t.Helper()
	if raceDetector() {
		limit *= RaceFactor
	}
	before := ofProcess()
	f()
	took := ofProcess() - before
	if took > limit {
		t.Errorf("took %v of CPU time, more than %v", took, limit)
	}
	return took
}

// raceDetector tells whether this binary has it.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
