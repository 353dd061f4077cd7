//go:build !unix

package bench

// resources_other.go lets programs compile where no private server could be started.

import (
	"errors"
	"os/exec"
	"time"
)

func cpuTime() time.Duration { return 0 }

func maxRSS() int64 { return 0 }

func (p *process) suspend() error { return errors.ErrUnsupported }

func ownGroup(*exec.Cmd) {}
