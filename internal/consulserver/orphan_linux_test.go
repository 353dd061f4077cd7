package consulserver

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// childVariable makes the test binary run one test, as the tests of a package that are
// killed.
const childVariable = "CONSULSERVER_TEST_CHILD"

// TestConsulChild is the child of TestConsulServersEndWithTheirParent.
func TestConsulChild(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		return
	}
	fmt.Printf("process %d\n", Start(t).PID())
	select {}
}

func TestConsulServersEndWithTheirParent(t *testing.T) {
	t.Parallel()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(binary, "-test.run=^TestConsulChild$")
	parent.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var pid int
	if _, scanErr := fmt.Sscanf(line, "process %d", &pid); scanErr != nil {
		t.Errorf("it printed %q (%v): %v", line, err, scanErr)
	} else if state := stateOf(pid); state == "" {
		t.Errorf("process %d does not run", pid)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	eventually(t, "Consul ended with its parent", func() bool {
		state := stateOf(pid)
		return state == "" || state == "Z" // nobody may care for what is left of it
	})
}

// stateOf returns the letter of a process's state, or nothing if it is not there.
func stateOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	state, _, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+2:]), " ")
	return state
}
