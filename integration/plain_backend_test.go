package integration

// plain_backend_test.go is a back end that answers byte by byte what a path names, also what
// no server in Go would send.

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// rawBackend notes what it is asked, by the header X-Case.
type rawBackend struct {
	address string

	mu    sync.Mutex
	asked map[string][]string
}

func newRawBackend(t *testing.T) *rawBackend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	b := &rawBackend{address: listener.Addr().String(), asked: make(map[string][]string)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go b.serve(conn)
		}
	}()
	return b
}

func (b *rawBackend) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if !b.answer(conn, in, r) {
			return
		}
	}
}

// rawAnswers are what is answered, by the last part of the path, once the body is read.
// "\n" stands for a line's end, and "|" for a pause in which what came before arrives.
var rawAnswers = map[string]string{
	"length":      "HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 5\nX-Two: a\nX-Two: b\n\nhello",
	"json":        "HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 8\n\n{\"a\": 1}",
	"jsonchunks":  "HTTP/1.1 200 OK\nContent-Type: application/json\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n3\n{\"a\n|5\n\": 1}\n0\nX-Sum: 7\n\n",
	"chunked":     "HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n5\nhello\n|6\n world\n0\n\n",
	"trailers":    "HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n5\nhello\n0\nX-Sum: 7\n\n",
	"unannounced": "HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n5\nhello\n0\nX-Sum: 7\n\n",
	"onlytrailer": "HTTP/1.1 200 OK\nContent-Type: application/grpc\nTransfer-Encoding: chunked\nTrailer: Grpc-Status\n\n0\nGrpc-Status: 0\n\n",
	"grpcerror":   "HTTP/1.1 200 OK\nContent-Type: application/grpc\nGrpc-Status: 5\nGrpc-Message: no\nContent-Length: 0\n\n",
	"hints":       "HTTP/1.1 103 Early Hints\nLink: </a.css>; rel=preload\n\n|HTTP/1.1 103 Early Hints\nLink: </b.css>; rel=preload\nVary: X\n\n|HTTP/1.1 200 OK\nContent-Length: 5\nLink: </c>\n\nhello",
	"processing":  "HTTP/1.1 102 Processing\n\n|HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
	"empty":       "HTTP/1.1 200 OK\nContent-Length: 0\nX-Is: empty\n\n",
	"204":         "HTTP/1.1 204 No Content\nX-Is: nothing\nETag: \"1\"\n\n",
	"204length":   "HTTP/1.1 204 No Content\nContent-Length: 0\nContent-Type: text/plain\n\n",
	"205":         "HTTP/1.1 205 Reset Content\nContent-Length: 0\n\n",
	"304":         "HTTP/1.1 304 Not Modified\nETag: \"1\"\nContent-Length: 5\nCache-Control: max-age=5\nVary: Accept\n\n",
	"206":         "HTTP/1.1 206 Partial Content\nContent-Range: bytes 1-2/5\nContent-Length: 2\nContent-Type: text/plain\n\nel",
	"416":         "HTTP/1.1 416 Range Not Satisfiable\nContent-Range: bytes */5\nContent-Length: 0\n\n",
	"multipart":   "HTTP/1.1 206 Partial Content\nContent-Type: multipart/byteranges; boundary=x\nContent-Length: 6\n\n--x--\n\n",
	"301":         "HTTP/1.1 301 Moved Permanently\nLocation: /there\nContent-Length: 0\n\n",
	"404":         "HTTP/1.1 404 Not Found\nContent-Type: text/plain\nContent-Length: 4\n\nnone",
	"401":         "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Basic realm=x\nWWW-Authenticate: Bearer\nContent-Length: 4\n\nwho?",
	"500":         "HTTP/1.1 500 Internal Server Error\nContent-Type: text/plain\nContent-Length: 6\n\nbroken",
	"503":         "HTTP/1.1 503 Service Unavailable\nContent-Type: text/plain\nRetry-After: 7\nContent-Length: 5\n\nsorry",
	"503chunked":  "HTTP/1.1 503 Service Unavailable\nContent-Type: text/plain\nTrailer: X-Sum\nTransfer-Encoding: chunked\n\n5\nsorry\n0\nX-Sum: 7\n\n",
	"299":         "HTTP/1.1 299 Odd\nContent-Length: 3\n\nodd",
	"499":         "HTTP/1.1 499 Gone\nContent-Length: 4\n\ngone",
	"999":         "HTTP/1.1 999 Odd\nContent-Length: 3\n\nodd",
	"nolength":    "HTTP/1.1 200 OK\nContent-Type: text/plain\nConnection: close\n\nhello|!",
	"http10":      "HTTP/1.0 200 OK\nContent-Type: text/plain\n\nhello|!",
	"close":       "HTTP/1.1 200 OK\nConnection: close, X-Hop\nX-Hop: 1\nKeep-Alive: timeout=5\nContent-Length: 5\n\nhello|!",
	"cutlength":   "HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 50\n\nhello|!",
	"cutchunked":  "HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n5\nhello\n|5\nhe!",
	"badchunk":    "HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n5\nhello\n|zz\nhello\n!",
	"garbage":     "what?\n\n!",
	"cuthead":     "HTTP/1.1 200 OK\nContent-Ty!",
	"gzip":        "HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Encoding: gzip\nContent-Length: 3\n\nzip",
	"sse":         "HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked\n\n9\ndata: 1\n\n\n|9\ndata: 2\n\n\n|0\n\n",
	"incremental": "HTTP/1.1 200 OK\nContent-Type: text/plain\nIncremental: ?1\nTransfer-Encoding: chunked\n\n5\nhello\n|6\n world\n0\n\n",
	"cookies":     "HTTP/1.1 200 OK\nSet-Cookie: a=1\nSet-Cookie: b=2\nVary: Accept\nVary: Cookie, Origin\nServer: odd\nX-Trace-Id: own\nDate: Mon, 02 Jan 2006 15:04:05 GMT\nContent-Length: 0\n\n",
	"emptyheader": "HTTP/1.1 200 OK\nX-Empty:\nContent-Type:\nContent-Length: 5\n\nhello",
	"upgrade":     "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n\n",
	"wrongswitch": "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: other\n\n!",
}

// answer reports whether the connection goes on.
func (b *rawBackend) answer(conn net.Conn, in *bufio.Reader, r *http.Request) bool {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	text, known := rawAnswers[name]
	if !known {
		text = rawAnswers["length"] // as for the checks of forward_auth
	}
	text = strings.ReplaceAll(text, "\n", "\r\n")
	if r.Method == http.MethodHead {
		if i := strings.Index(text, "\r\n\r\n"); i > 0 && !strings.HasPrefix(text, "HTTP/1.1 1") {
			text = text[:i+4]
		}
	}
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	said := fmt.Sprintf("%d bytes %x", n, sum.Sum(nil)[:4])
	if err != nil {
		b.note(r, "a body that breaks off", nil)
		return false
	}
	b.note(r, said, r.Trailer)
	ok, err := send(conn, text)
	if name == "upgrade" && err == nil {
		_, _ = io.Copy(conn, in)
		return false
	}
	return ok && err == nil
}

func send(conn net.Conn, text string) (open bool, err error) {
	text, cut := strings.CutSuffix(text, "!")
	for i, part := range strings.Split(text, "|") {
		if i > 0 {
			time.Sleep(50 * time.Millisecond) // so that parts arrive apart
		}
		if _, err := io.WriteString(conn, part); err != nil {
			return false, err
		}
	}
	return !cut, nil
}

// note keeps what it was asked, without what weir adds on purpose.
func (b *rawBackend) note(r *http.Request, body string, trailer http.Header) {
	header := r.Header.Clone()
	for _, name := range []string{"Traceparent", "Tracestate", "X-Release-Stage", "X-Case"} {
		header.Del(name)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s %s host %s length %d coding %v\n", r.Method, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.TransferEncoding)
	writeHeader(&s, header)
	fmt.Fprintf(&s, "  body: %s\n", body)
	writeHeader(&s, trailer)
	b.mu.Lock()
	defer b.mu.Unlock()
	name := r.Header.Get("X-Case")
	b.asked[name] = append(b.asked[name], s.String())
}

func (b *rawBackend) seen(name string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked[name])
}

func writeHeader(s *strings.Builder, header http.Header) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(s, "  %s: %q\n", name, header[name])
	}
}
