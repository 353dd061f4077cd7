//go:build !unix || aix || solaris

package testserver

// lock_other.go is for systems where nothing is installed.

import "errors"

func lockFile(string) (func(), error) { return nil, errors.ErrUnsupported }
