package outbox

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
)

// atOnce is how many scenarios run at once unless -parallel says something else. They
// wait most of the time, for retries, timeouts and restarts.
const atOnce = 4

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(fmt.Sprint(atOnce))
	}
	status := m.Run()
	if err := cleanup(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = max(status, 1)
	}
	os.Exit(status)
}
