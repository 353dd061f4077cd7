package integration

// contract_hostile_test.go sends a contract what is meant to wear it out.

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// hostileWithin is the most that one hostile request may take. It is for a machine that does other things
	// too: what is not bounded takes minutes or more.
	hostileWithin = 40 * time.Second
	// hostileMemory is what the process may take from the system for all of them. Bodies of 10 MB make most of it,
	// each once as it is read and once as a tree of limited size.
	hostileMemory = 400 << 20
	// hostileAtOnce is how many are sent at once.
	hostileAtOnce = 4
	// slowTimeout is the body_timeout.
	slowTimeout = time.Second
)

// hostileLines are the settings of the contract.
var hostileLines = []string{
	"max_body 16MiB postTree postNumber postItems postTower postAlternatives postText postGzip postObject",
	"max_body 64KiB postSmall",
}

func TestContractWithstandsHostileBodies(t *testing.T) {
	t.Parallel()
	g := startContract(t, map[string]string{"hostile.json": hostileDocument()}, hostileLines...)
	for _, h := range hostileBodies() {
		t.Run(h.name, func(t *testing.T) {
			var clients sync.WaitGroup
			for range hostileAtOnce {
				clients.Go(func() { g.withstand(t, &h) })
			}
			clients.Wait()
		})
	}
	g.checkMemory(t)
}

// withstand sends a hostile body and checks the answer, and when it comes.
func (g *contractGateway) withstand(t *testing.T, h *hostile) {
	begin := time.Now()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+h.path, strings.NewReader(h.body))
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	a, err := do(g.client, r)
	took := time.Since(begin)
	switch {
	case err != nil:
		t.Error(err)
	case took > hostileWithin:
		t.Errorf("it took %v, %v are allowed: %d %.300s", took, hostileWithin, a.Status, a.Body)
	case h.codes == nil:
		if a.Status != http.StatusOK || a.Body != h.body {
			t.Errorf("got %d and %d bytes, want 200 and the body: %.300s", a.Status, len(a.Body), a.Body)
		}
	default:
		violations := g.violations(t, a, http.StatusUnprocessableEntity)
		if !slices.ContainsFunc(violations, func(v string) bool {
			code, _, _ := strings.Cut(v, "@")
			return slices.Contains(h.codes, code)
		}) {
			t.Errorf("violations %.300q, want one of %q", violations, h.codes)
		}
		if len(a.Body) > 10<<10 {
			t.Errorf("the answer has %d bytes", len(a.Body))
		}
	}
}

// checkMemory compares what the process took from the system at most, which it never gives back in this count.
func (g *contractGateway) checkMemory(t *testing.T) {
	t.Helper()
	most := g.Metrics().Sum("go_memstats_sys_bytes")
	t.Logf("the process took %.0f MB", most/1e6)
	if most > hostileMemory {
		t.Errorf("the process took %.0f MB, %.0f are allowed", most/1e6, hostileMemory/1e6)
	}
}

func TestContractWithstandsHostileQueries(t *testing.T) {
	t.Parallel()
	g := startContract(t, map[string]string{"hostile.json": hostileDocument()}, hostileLines...)
	var many []string
	for i := range 1500 {
		many = append(many, "ids="+strconv.Itoa(i%1499))
	}
	for _, test := range []struct {
		name, query string
		status      int
	}{
		{"a small index", "filter[list][3]=1", 400}, // a list with holes
		{"an index in order", "filter[list][0]=1", 200},
		{"a huge index", "filter[list][999999999]=1", 400},
		{"an index that is no number", "filter[list][99999999999999999999999]=1", 400},
		{"a deep one", "filter" + strings.Repeat("[a]", 100) + "=1", 400},
		{"a very deep one", "filter" + strings.Repeat("[a]", 4000) + "=1", 400},
		{"brackets that do not close", "filter" + strings.Repeat("[", 12_000) + "=1", 400},
		{"1,500 values", strings.Join(many, "&"), 400},
		{"a number of 12 kB", "ids=" + strings.Repeat("9", 12_000), 400},
		{"more than Caddy reads", "ids=" + strings.Repeat("9", 50_000), 431},
		{"bad escapes", "ids=%zz", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			begin := time.Now()
			a := ask(t, g.client, g.url+"/query?"+test.query, nil)
			if a.Status != test.status {
				t.Errorf("got %d, want %d: %.500s", a.Status, test.status, a.Body)
			}
			if took := time.Since(begin); took > hostileWithin {
				t.Errorf("it took %v, %v are allowed", took, hostileWithin)
			}
		})
	}
	g.checkMemory(t)
}

// What is too large is refused before it is read, or when the limit is reached.
func TestContractRefusesLargeBodies(t *testing.T) {
	t.Parallel()
	g := startContract(t, map[string]string{"hostile.json": hostileDocument()}, hostileLines...)
	bomb := new(bytes.Buffer)
	packer, _ := gzip.NewWriterLevel(bomb, gzip.BestSpeed) // a level that there is
	for _, part := range []string{`"`, strings.Repeat("a", 100<<20), `"`} {
		_, _ = io.WriteString(packer, part)
	}
	_ = packer.Close()
	for _, test := range []struct {
		name, path, coding string
		body               io.Reader
		status             int
	}{
		{"declared", "/postSmall", "", strings.NewReader(`"` + strings.Repeat("a", 64<<10) + `"`), 413},
		{"not declared", "/postSmall", "", io.MultiReader(strings.NewReader(`"` + strings.Repeat("a", 64<<10) + `"`)), 413},
		{"as large as allowed", "/postSmall", "", strings.NewReader(`"` + strings.Repeat("a", 64<<10-2) + `"`), 200},
		{"a gzip bomb", "/postGzip", "gzip", bomb, 413},
		{"no gzip", "/postGzip", "gzip", strings.NewReader(`"a"`), 422},
		{"a coding that nobody knows", "/postGzip", "rot13", strings.NewReader(`"n"`), 415},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+test.path, test.body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if test.coding != "" {
				r.Header.Set("Content-Encoding", test.coding)
			}
			a, err := do(g.client, r)
			if err != nil {
				t.Fatal(err)
			}
			if a.Status != test.status {
				t.Errorf("got %d, want %d: %.300s", a.Status, test.status, a.Body)
			}
		})
	}
	t.Run("before it is sent", func(t *testing.T) {
		conn := g.dial(t)
		fmt.Fprintf(conn, postHead+"Expect: 100-continue\r\n\r\n", "postSmall", 1_000_000_000)
		if a := readStatus(t, conn); a != http.StatusRequestEntityTooLarge {
			t.Errorf("got %d, want 413 and no 100", a)
		}
	})
	g.checkMemory(t)
}

// A body that comes slowly holds nothing but its connection, and not for long.
func TestContractEndsSlowBodies(t *testing.T) {
	t.Parallel()
	lines := append(slices.Clip(hostileLines), "body_timeout "+slowTimeout.String())
	g := startContract(t, map[string]string{"hostile.json": hostileDocument()}, lines...)
	const slow = 100
	var clients sync.WaitGroup
	for range slow {
		clients.Go(func() {
			conn := g.dial(t)
			begin := time.Now()
			fmt.Fprintf(conn, postHead+"\r\n\"", "postText", 10_000_000)
			go func() { // until the gateway closes
				for {
					if _, err := io.WriteString(conn, "a"); err != nil {
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			}()
			status := readStatus(t, conn)
			took := time.Since(begin)
			if status != http.StatusRequestTimeout || took < slowTimeout || took > slowTimeout+hostileWithin {
				t.Errorf("got %d after %v, want 408 after %v", status, took, slowTimeout)
			}
		})
	}
	if a := g.post(t, "/postSmall", `"quick"`); a.Status != http.StatusOK {
		t.Errorf("beside slow bodies a quick one got %d %s", a.Status, a.Body)
	}
	clients.Wait()
	if n := g.echoed.Load(); n > 1 {
		t.Errorf("%d requests came to the back end", n)
	}
	g.checkMemory(t)
}

// postHead are the headers of a POST to a path with a body of some length.
const postHead = "POST /%s HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"

// dial connects to the site.
func (g *contractGateway) dial(t *testing.T) net.Conn {
	var conn net.Conn
	var err error
	if !Eventually(10*time.Second, func() bool {
		conn, err = net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		return err == nil
	}) {
		panic(err) // in a goroutine of the test
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(requestTimeout))
	return conn
}

// readStatus reads the status of the next answer, informational ones included; 0 if there is none.
func readStatus(t *testing.T, conn net.Conn) int {
	line, err := bufio.NewReader(conn).ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) < 2 {
		t.Errorf("no answer: %q, %v", line, err)
		return 0
	}
	status, _ := strconv.Atoi(fields[1])
	return status
}
