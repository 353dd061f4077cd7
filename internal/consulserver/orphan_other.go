//go:build !linux

package consulserver

// orphan_other.go is for systems that cannot end a program with its parent.

import "os/exec"

func endWithParent(*exec.Cmd) {}
