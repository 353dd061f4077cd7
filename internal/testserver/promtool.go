package testserver

import "testing"

// Promtool returns the path of promtool, Prometheus' checker of rules.
func Promtool(t testing.TB) string {
	t.Helper()
	path, err := installPromtool()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
