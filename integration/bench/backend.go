package main

// backend.go holds the back ends: a second process of this program, so that their
// CPU time is not the load generator's either.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// backendsArgument makes this program the back ends.
const backendsArgument = "-serve-backends"

// serveBackends serves three back ends that are well and one that fails every
// third request, and writes their addresses to the standard output. It ends with
// its standard input, and so with the process that started it.
func serveBackends() error {
	well := answer("200 OK", strings.Repeat("0123456789", 10))
	failed := answer("503 Service Unavailable", "this one failed")
	var addresses []string
	for i := range 4 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses = append(addresses, listener.Addr().String())
		var requests atomic.Uint64
		go serve(listener, func() []byte {
			if i == 3 && requests.Add(1)%3 == 0 {
				return failed
			}
			return well
		})
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func answer(status, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

func serve(listener net.Listener, next func() []byte) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for reader := bufio.NewReader(conn); readRequest(reader) == nil; {
				if _, err := conn.Write(next()); err != nil {
					return
				}
			}
		}()
	}
}

// readRequest reads a request whose body, if it has one, is of declared length, as all
// here are: net/http would cost more CPU time than the proxy can spare.
func readRequest(reader *bufio.Reader) error {
	length := 0
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			_, err = reader.Discard(length)
			return err
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
}
