package integration

// plain_client_test.go holds clients that note all that they see.

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// part is what a client sends, and what it waits for then.
type part struct{ send, until string }

// talkH1 sends the parts over one connection, and reads until that is closed.
func talkH1(parts ...part) func(address, name string) string {
	return func(address, name string) string {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close() }()
		var got bytes.Buffer
		buf := make([]byte, 64<<10)
		read := func(until string) error {
			_ = conn.SetReadDeadline(time.Now().Add(4 * time.Second))
			for until == "" || !strings.Contains(got.String(), until) {
				n, err := conn.Read(buf)
				got.Write(buf[:n])
				if err != nil {
					return err
				}
			}
			return nil
		}
		for _, p := range parts {
			if p.send == "SHUT" {
				_ = conn.(*net.TCPConn).CloseWrite()
			} else if _, err := io.WriteString(conn, strings.ReplaceAll(p.send, "HEAD:", "Host: "+address+"\r\nX-Case: "+name)); err != nil {
				return err.Error()
			}
			if p.until != "" {
				if err := read(p.until); err != nil {
					return fmt.Sprintf("no %q: %v", p.until, short(err))
				}
			}
		}
		end := short(read(""))
		return parsed(&got, strings.HasPrefix(parts[0].send, "HEAD ")) + "end: " + end + "\n"
	}
}

// parsed is a text of the answers on a connection, whatever the chunks are in which they came.
func parsed(got *bytes.Buffer, head bool) string {
	var s strings.Builder
	in := bufio.NewReader(got)
	request := new(http.Request)
	if head {
		request.Method = http.MethodHead
	}
	for {
		res, err := http.ReadResponse(in, request)
		if err != nil {
			rest, _ := io.ReadAll(in)
			fmt.Fprintf(&s, "then %q\n", rest)
			return s.String()
		}
		describeAnswer(&s, res)
	}
}

// describeAnswer leaves out what weir adds on purpose, and what changes all the time.
func describeAnswer(s *strings.Builder, res *http.Response) {
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	fmt.Fprintf(s, "%s %s length %d coding %v close %v\n", res.Proto, res.Status, res.ContentLength, res.TransferEncoding, res.Close)
	res.Header["Vary"] = slices.DeleteFunc(res.Header["Vary"], func(value string) bool { return value == "X-User" })
	if len(res.Header["Vary"]) == 0 {
		res.Header.Del("Vary")
	}
	for _, name := range []string{"Date", "X-Trace-Id", "Last-Modified", "Etag"} {
		res.Header.Del(name)
	}
	writeHeader(s, res.Header)
	sum := sha256.Sum256(text)
	if res.Header.Get("Content-Encoding") != "" {
		sum = [32]byte{} // an encoder's output depends on when what came
		text = nil
	}
	fmt.Fprintf(s, "%d bytes %.40q %x broken off %v\n", len(text), text, sum[:4], err != nil)
	writeHeader(s, res.Trailer)
}

func short(err error) string {
	var e net.Error
	if errors.As(err, &e) && e.Timeout() {
		return "still open"
	}
	if err == io.EOF {
		return "EOF"
	}
	if err != nil && strings.Contains(err.Error(), "reset") {
		return "reset"
	}
	return fmt.Sprint(err)
}

type plainCase struct {
	name string
	talk func(address, name string) string
}

// talkH2 makes a request over HTTP/2 without TLS.
func talkH2(method, path string, body string, change func(*http.Request)) func(address, name string) string {
	return func(address, name string) string {
		transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		var from io.Reader
		if body != "" {
			from = struct{ io.Reader }{strings.NewReader(body)}
		}
		r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, from)
		if err != nil {
			return err.Error()
		}
		r.Header.Set("X-Case", name)
		if change != nil {
			change(r)
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			return "no answer"
		}
		var s strings.Builder
		describeAnswer(&s, res)
		return s.String()
	}
}
