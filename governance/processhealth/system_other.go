//go:build !linux

package processhealth

// system_other.go is for systems of which only the Go runtime is known.

import "math"

type system struct{ runtime *runtimeSource }

func openSystem() source { return &system{runtime: newRuntimeSource()} }

func (s *system) read() readings {
	r := readings{cpu: math.NaN(), memory: math.NaN(), openFiles: math.NaN()}
	s.runtime.read(&r)
	return r
}

func (*system) close() {}
