package integration

import (
	"flag"
	"os"
	"testing"
)

// waiting is how many scenarios run at once that are marked as parallel: those that wait for
// processes, TTLs and probes most of the time, and measure nothing that others take from them.
const waiting = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if !told {
		_ = flag.Set("test.parallel", waiting) // a flag that there is, and a number
	}
	status := m.Run()
	Cleanup()
	os.Exit(status)
}
