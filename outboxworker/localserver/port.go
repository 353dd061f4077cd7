package localserver

// port.go finds a free port.

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are drawn from below the range that systems give to outgoing connections. A
// port from that range could be taken by any connection while its server is down.
const (
	firstPort = 12000
	lastPort  = 32000
)

// freePort returns a port of loopback that was free just now.
func freePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := net.Listen("tcp", loopback(port))
		if err == nil {
			_ = listener.Close()
			return port, nil
		}
	}
	return 0, errors.New("finding a free port: none of a thousand was")
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
