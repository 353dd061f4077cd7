// Package freeport finds ports that nobody uses. It is for tests only; nothing else may
// import it.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports are drawn from below the range that systems give to outgoing connections.
// A port from that range could be taken by any connection while its back end is
// dead, even by the one that is being made to the back end.
const (
	firstPort = 12000
	lastPort  = 32000
)

var ports struct {
	sync.Mutex
	taken map[int]bool
}

// Port returns a TCP port that is free on all addresses and that no other call
// returns, on Linux in no other process either while this one lives: packages are
// tested at once, and a port that is drawn may be free for as long as its test wants
// it to be.
func Port(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.taken == nil {
		ports.taken = make(map[int]bool)
	}
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if ports.taken[port] || !reserve(port) {
			continue
		}
		ports.taken[port] = true
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		_ = listener.Close()
		return port
	}
	t.Fatal("no free port found")
	return 0
}

// Address returns a free port on 127.0.0.1 as host:port.
func Address(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Port(t))
}
