// Package filelock keeps processes out of each other's way: tests of several packages
// run at once and may want to install or build the same thing.
package filelock
