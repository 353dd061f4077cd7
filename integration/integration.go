// Package integration tests the real binaries on loopback: what only shows when
// processes start, reload and die, and when requests come over real connections.
//
// It is also the harness for that. Weir and PlainCaddy build the binaries, once a
// test run; Start runs one of them as a Gateway; a Backend is an HTTP server that
// can be told to fail, to stall and to die; Closed and Open send requests to them.
//
// A scenario runs briefly in every test run. Its full counts are in tests named
// TestSoak..., which run with WEIR_SOAK=1.
package integration

import (
	"os"
	"testing"
)

// Soak skips a test of full counts unless those are asked for.
func Soak(t testing.TB) {
	t.Helper()
	if os.Getenv("WEIR_SOAK") == "" {
		t.Skip("runs for minutes; its short form runs always: WEIR_SOAK=1 runs this one")
	}
}
