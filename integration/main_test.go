package integration

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	status := m.Run()
	Cleanup()
	os.Exit(status)
}
