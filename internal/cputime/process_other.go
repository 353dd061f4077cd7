//go:build !unix

package cputime

import "time"

var begun = time.Now()

// ofProcess is the time since the process began: more than it has taken itself.
func ofProcess() time.Duration { return time.Since(begun) }
