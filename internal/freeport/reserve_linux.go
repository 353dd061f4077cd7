package freeport

// reserve_linux.go keeps other processes from drawing the same port.

import (
	"net"
	"strconv"
)

// held are the sockets of what is reserved: one that nobody refers to is closed by the
// garbage collector.
var held []*net.UnixConn

// reserve makes a port this process's until it ends, and reports whether it was
// nobody's. It takes a name of the abstract namespace, which can be taken once, is part
// of the same network namespace as ports, and leaves no file behind.
func reserve(port int) bool {
	name := &net.UnixAddr{Name: "@weir-freeport-" + strconv.Itoa(port), Net: "unixgram"}
	socket, err := net.ListenUnixgram("unixgram", name)
	if err != nil {
		return false
	}
	held = append(held, socket)
	return true
}
