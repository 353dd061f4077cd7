// Package failpoint names places in the code at which tests let a process die. In
// binaries that are not built with the tag failpoint, nothing happens there.
package failpoint
