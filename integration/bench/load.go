package main

// load.go holds the load generator: connections that each send a request as soon
// as the last one is answered.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load is requests on many connections until it is stopped.
type load struct {
	ctx context.Context // is done when the load is stopped or a connection broke
	end context.CancelCauseFunc
	// recording is true while what happens counts.
	recording atomic.Bool
	workers   []*worker
	running   sync.WaitGroup
}

// worker is one connection.
type worker struct {
	conn      net.Conn
	reader    *bufio.Reader
	latencies []time.Duration
	failed    int // answers other than 200
}

// newLoad starts a load that breaks if it is not stopped within longest.
func newLoad(ctx context.Context, address string, request []byte, connections int, longest time.Duration) (*load, error) {
	l := new(load)
	l.ctx, l.end = context.WithCancelCause(ctx)
	for range connections {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			l.stop()
			return nil, err
		}
		l.workers = append(l.workers, &worker{conn: conn, reader: bufio.NewReader(conn)})
		if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
			l.stop()
			return nil, err
		}
	}
	for _, w := range l.workers {
		l.running.Go(func() {
			if err := l.drive(w, request); err != nil {
				l.end(fmt.Errorf("a connection broke: %w", err))
			}
		})
	}
	return l, nil
}

// drive sends requests until the load is stopped or the connection breaks, which
// no part of the benchmark gives a reason for.
func (l *load) drive(w *worker, request []byte) error {
	for begin := time.Now(); l.ctx.Err() == nil; {
		if _, err := w.conn.Write(request); err != nil {
			return err
		}
		status, err := readAnswer(w.reader)
		if err != nil {
			return err
		}
		end := time.Now()
		if l.recording.Load() {
			w.latencies = append(w.latencies, end.Sub(begin))
			if status != 200 {
				w.failed++
			}
		}
		begin = end
	}
	return nil
}

// wait lets the load run for some time.
func (l *load) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}

// stop ends the load. It may be called again.
func (l *load) stop() {
	l.end(nil)
	l.running.Wait()
	for _, w := range l.workers {
		_ = w.conn.Close() // nothing more is read or written
	}
}

// recorded returns what a load that has been stopped recorded.
func (l *load) recorded() (latencies []time.Duration, failed int) {
	for _, w := range l.workers {
		latencies = append(latencies, w.latencies...)
		failed += w.failed
	}
	return latencies, failed
}

var contentLength = []byte("Content-Length: ")

// readAnswer reads an answer and returns its status. It knows no more of HTTP than
// what a Caddy sends in front of these back ends.
func readAnswer(reader *bufio.Reader) (status int, err error) {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("%q is no status line", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := -1
	for len(line) > 2 {
		if line, err = reader.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("an answer without Content-Length")
	}
	_, err = reader.Discard(length)
	return status, err
}
