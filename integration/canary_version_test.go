package integration

// canary_version_test.go is a back end that plays a version of a service.

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// Versions name themselves in headers, and once more if a failure is their own.
const (
	answeredBy = "X-Version"
	failedBy   = "X-Failed-By"
)

// version is a back end that answers with what it got. Any path but those that a test adds
// with a method is its own.
type version struct {
	*Backend
	got    atomic.Int64
	fails  atomic.Uint64 // the share of requests that it fails, as bits
	delay  atomic.Int64  // how long it takes at least, half as much more at most
	breaks atomic.Bool   // it reads requests and closes the connection
}

// seenBy is a request as a version saw it.
type seenBy struct {
	Version  string   `json:"version"`
	Method   string   `json:"method"`
	Path     string   `json:"path"`
	Stage    []string `json:"stage"`
	Fallback []string `json:"fallback"`
	Length   int64    `json:"length"`
	Sum      string   `json:"sum"`
}

// newVersion starts a version that takes this long to answer.
func newVersion(t testing.TB, name string, delay time.Duration) *version {
	t.Helper()
	v := &version{Backend: NewBackend(t, name)}
	v.delay.Store(int64(delay))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		v.Handle(method+" /", v.answer)
	}
	return v
}

// failing has it fail a share of the requests.
func (v *version) failing(share float64) { v.fails.Store(math.Float64bits(share)) }

func (v *version) answer(w http.ResponseWriter, r *http.Request) {
	v.got.Add(1)
	w.Header().Set(answeredBy, v.Name)
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	if err != nil || v.breaks.Load() {
		panic(http.ErrAbortHandler)
	}
	if d := v.delay.Load(); d > 0 {
		time.Sleep(time.Duration(d + rand.Int64N(d/2+1))) // what a version takes
	}
	if rand.Float64() < math.Float64frombits(v.fails.Load()) {
		w.Header().Set(failedBy, v.Name)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if r.URL.Path == "/public" {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Vary", "Accept-Language")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seenBy{
		Version: v.Name, Method: r.Method, Path: r.URL.Path,
		Stage: r.Header["X-Release-Stage"], Fallback: r.Header["X-Release-Stage-Fallback"],
		Length: n, Sum: hex.EncodeToString(hash.Sum(nil)),
	})
}

// readSeen reads what a version answered.
func readSeen(t testing.TB, a *Answer) seenBy {
	t.Helper()
	var s seenBy
	if err := json.Unmarshal([]byte(a.Body), &s); err != nil || a.Status != http.StatusOK {
		t.Fatalf("no version answered: %d %s", a.Status, a.Body)
	}
	return s
}
