//go:build !unix || aix || solaris

package filelock

// filelock_other.go is for systems that have no flock.

import "errors"

// Lock returns errors.ErrUnsupported.
func Lock(string) (func(), error) { return nil, errors.ErrUnsupported }
