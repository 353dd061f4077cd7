package localserver

// orphan_linux.go has the kernel end a server whose parent has died.

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// attributes are how a server is started: as another user if as is not nil, outside
// of the terminal's foreground group, so that Ctrl-C does not reach it before its
// parent has let go of it, and ended with death when its parent dies.
func attributes(as *account, death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death, Credential: as.credential()}
}

// childrenOf returns the children of a process. The handles stay with the processes
// that they were made for, also when ids are used again.
func childrenOf(pid int) []*os.Process {
	folders, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var children []*os.Process
	for _, folder := range folders {
		child, err := strconv.Atoi(folder.Name())
		if err != nil || parentOf(child) != pid {
			continue
		}
		handle, err := os.FindProcess(child)
		if err != nil {
			continue
		}
		if parentOf(child) != pid { // it ended, and the handle is somebody else's
			_ = handle.Release()
			continue
		}
		children = append(children, handle)
	}
	return children
}

// parentOf returns 0 for a process that is not there.
func parentOf(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// "pid (name) state parent ...", and the name may contain anything
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return parent
}
