package openapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const remoteURL = "https://reader:hunter2@api.example.com/v1/api.yaml?token=hunter2"

// remote is a server without a network, whose time is the test's.
type remote struct {
	mu     sync.Mutex
	answer func(r *http.Request) (status int, text string, header http.Header)
	asked  []*http.Request
}

func (s *remote) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked = append(s.asked, r)
	answer := s.answer
	s.mu.Unlock()
	status, text, header := answer(r)
	switch status {
	case 0:
		return nil, errors.New("connection refused")
	case -1: // hangs
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if header == nil {
		header = make(http.Header)
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Body: io.NopCloser(strings.NewReader(text)), Header: header, Request: r,
	}, nil
}

func (s *remote) answers(f func(r *http.Request) (int, string, http.Header)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *remote) always(status int, text string) {
	s.answers(func(*http.Request) (int, string, http.Header) { return status, text, nil })
}

func (s *remote) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *remote) last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

// newRemote is a process that reads URLs from a server that has a document.
func newRemote(t *testing.T) (*process, *remote, trackSettings) {
	t.Helper()
	p, server := newProcess(t), new(remote)
	p.transport = server
	server.always(http.StatusOK, apiWith("a"))
	s := settingsOf(remoteURL)
	s.Refresh = 30 * time.Second
	return p, server, s
}

// restart begins a process anew, with what is in storage.
func (p *process) restart() *process {
	next := begin(p.storage)
	next.transport = p.transport
	return next
}

// versioned answers as servers do that know what the client has.
func versioned(text, etag, modified string) func(r *http.Request) (int, string, http.Header) {
	return func(r *http.Request) (int, string, http.Header) {
		header := make(http.Header)
		if etag != "" {
			header.Set("ETag", etag)
		}
		if modified != "" {
			header.Set("Last-Modified", modified)
		}
		if etag != "" && r.Header.Get("If-None-Match") == etag ||
			etag == "" && modified != "" && r.Header.Get("If-Modified-Since") == modified {
			return http.StatusNotModified, "", header
		}
		return http.StatusOK, text, header
	}
}

// An unchanged document costs one request each refresh, and no compile, whatever the server knows.
func TestUnchangedURL(t *testing.T) {
	for _, tc := range []struct{ name, etag, modified, asksFor string }{
		{"ETag", `"1"`, "", "If-None-Match"},
		{"Last-Modified", "", "Mon, 01 Jan 2024 00:00:00 GMT", "If-Modified-Since"},
		{"neither", "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, server, s := newRemote(t)
				server.answers(versioned(apiWith("a"), tc.etag, tc.modified))
				track := p.held(t, s)
				first := track.generation()
				time.Sleep(10*s.Refresh + time.Second)
				synctest.Wait()
				if n := server.requests(); n < 10 || n > 12 {
					t.Errorf("asked %d times in 10 refreshes", n)
				}
				for _, name := range []string{"If-None-Match", "If-Modified-Since"} {
					if got := server.last().Header.Get(name); (got != "") != (name == tc.asksFor) {
						t.Errorf("%s is %q", name, got)
					}
				}
				if track.generation() != first || p.compiles.Load() != 1 || first.etag != tc.etag {
					t.Errorf("generation %d, %d compiles, ETag %q", track.generation().number, p.compiles.Load(), first.etag)
				}

				server.answers(versioned(apiWith("b"), `"2"`, ""))
				time.Sleep(s.Refresh * 11 / 10)
				synctest.Wait()
				wantOperation(t, "changed", track, "b")
				if g := track.generation(); g.etag != `"2"` || g.origin != originURL {
					t.Errorf("the generation is %+v", g.revision)
				}
			})
		})
	}
}

// What goes wrong leaves the last good document, shows no secret, and is tried again sooner than refresh at first.
func TestFailingURL(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		text   string
		want   string
	}{
		{"error", 500, "hunter2", "it answered 500 Internal Server Error"},
		{"not found", 404, "", "it answered 404 Not Found"},
		{"not modified, though nothing was asked", 304, "", "it answered 304 Not Modified"},
		{"refused", 0, "", "connection refused"},
		{"hanging", -1, "", "it did not answer within 10s"},
		{"too large", 200, strings.Repeat("#", 1<<20+1), "larger than 1.0 MiB"},
		{"broken", 200, brokenAPI, "https://api.example.com/v1/api.yaml:"},
		{"no document", 200, "<html>sign in</html>", "https://api.example.com/v1/api.yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, server, s := newRemote(t)
				track := p.held(t, s)
				before := server.requests()
				server.always(tc.status, tc.text)
				time.Sleep(s.Refresh*11/10 + readTimeout)
				synctest.Wait()
				wantOperation(t, "failing", track, "a")
				stale := track.status().stale
				if stale == nil || !strings.Contains(stale.Error(), tc.want) {
					t.Fatalf("stale: %v, want %q", stale, tc.want)
				}
				for _, entry := range p.logs.All() {
					if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "hunter2") {
						t.Errorf("a secret is logged: %s", text)
					}
				}
				if strings.Contains(stale.Error(), "hunter2") {
					t.Errorf("a secret is shown: %v", stale)
				}
				time.Sleep(10 * time.Minute)
				if n := server.requests() - before; n < 15 || n > 50 {
					t.Errorf("asked %d times while it fails", n)
				}
				server.always(200, apiWith("b"))
				// a request that hangs may be under way
				time.Sleep(s.Refresh*11/10 + readTimeout)
				synctest.Wait()
				wantOperation(t, "mended", track, "b")
				if stale := track.status().stale; stale != nil {
					t.Errorf("mended, and stale: %v", stale)
				}
			})
		})
	}
}

func TestRedirects(t *testing.T) {
	for _, tc := range []struct{ to, want string }{
		{"/v2/api.yaml", ""},
		{"https://api.example.com/v2/api.yaml", ""},
		{"https://elsewhere.example.com/api.yaml", "redirects to the host elsewhere.example.com"},
		{"http://api.example.com/v2/api.yaml", "from https to http"},
		{"/v1/api.yaml", "redirects more than 5 times"},
	} {
		t.Run(tc.to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, server, s := newRemote(t)
				server.answers(func(r *http.Request) (int, string, http.Header) {
					if r.URL.Path == "/v1/api.yaml" {
						return http.StatusFound, "", http.Header{"Location": {tc.to}}
					}
					return http.StatusOK, apiWith("a"), nil
				})
				track, err := p.provision(s)
				if tc.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					defer track.release()
					wantOperation(t, "redirected", track, "a")
				} else if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the error is %v, want %q", err, tc.want)
				}
			})
		})
	}
}

// A URL that does not answer when the gateway starts is made up for by the copy that was kept.
func TestStartWithoutTheURL(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprint("broken ", broken), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, server, s := newRemote(t)
				server.answers(versioned(apiWith("a"), `"1"`, ""))
				hold(t, p, s, func(*track) {})

				server.always(0, "")
				if broken {
					server.always(200, brokenAPI)
				}
				next := p.restart()
				hold(t, next, s, func(track *track) {
					wantOperation(t, "from the copy", track, "a")
					if track.status().stale == nil || next.logs.FilterMessageSnippet("last good document").Len() != 1 {
						t.Error("it is not said that the copy is in force")
					}
					server.answers(versioned(apiWith("a"), `"1"`, ""))
					time.Sleep(s.Refresh * 11 / 10)
					synctest.Wait()
					if stale := track.status().stale; stale != nil || next.compiles.Load() != 1 {
						t.Errorf("it answers again: stale %v, %d compiles", stale, next.compiles.Load())
					}
				})
			})
		})
	}
}

// hold holds a track while f runs.
func hold(t *testing.T, p *process, s trackSettings, f func(*track)) {
	t.Helper()
	track, err := p.provision(s)
	if err != nil {
		t.Fatal(err)
	}
	track.settle(p.home)
	f(track)
	track.release()
	synctest.Wait()
}

// With the copy in storage, a start costs a 304.
func TestStartWithAnUnchangedURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		server.answers(versioned(apiWith("a"), `"1"`, ""))
		hold(t, p, s, func(*track) {})
		hold(t, p.restart(), s, func(track *track) {
			wantOperation(t, "unchanged", track, "a")
			if got := server.last().Header.Get("If-None-Match"); got != `"1"` {
				t.Errorf("If-None-Match is %q", got)
			}
		})
	})
}

func TestNoCopyNoStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		server.always(0, "")
		if _, err := p.provision(s); err == nil || !strings.Contains(err.Error(), "lazy") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error is %v, want one that names lazy and no secret", err)
		}
		// nor does the copy of another URL
		server.always(200, apiWith("a"))
		hold(t, p, s, func(*track) {})
		server.always(0, "")
		s.Source = "https://api.example.com/v2/api.yaml"
		if _, err := p.restart().provision(s); err == nil {
			t.Error("the copy of another URL is in force")
		}
	})
}

// A configuration that is only validated, or fails, keeps no copy.
func TestNoCopyBeforeItIsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		track, err := p.provision(s)
		if err != nil {
			t.Fatal(err)
		}
		track.release()
		server.always(0, "")
		if _, err := p.restart().provision(s); err == nil {
			t.Error("a copy was kept")
		}
	})
}

func TestReferencesOfURLs(t *testing.T) {
	at, client := remoteURL, new(http.Client)
	s := settingsOf(at)
	source, err := newURLSource(s, client)
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]bool{
		"https://api.example.com/v1/pet.yaml":                   true,
		"https://api.example.com/v1/schemas/pet.yaml":           true,
		"https://api.example.com/v2/pet.yaml":                   false,
		"https://api.example.com/v1/../v2/pet.yaml":             false,
		"https://api.example.com/v1/%2e%2e/v2/pet.yaml":         false,
		"https://api.example.com/v1/%2E%2E%2Fv2/pet.yaml":       false,
		"https://api.example.com/v1/x%2f..%2f..%2fv2/pet.yaml":  false,
		`https://api.example.com/v1/..%5cv2/pet.yaml`:           false,
		"http://api.example.com/v1/pet.yaml":                    false,
		"https://api.example.com:8443/v1/pet.yaml":              false,
		"https://elsewhere.example.com/v1/pet.yaml":             false,
		"https://api.example.com@elsewhere.example/v1/pet.yaml": false,
		"file:///v1/pet.yaml":                                   false,
	} {
		if got := source.inFolder(mustURL(t, location)); got != want {
			t.Errorf("%s is in the folder: %v, want %v", location, got, want)
		}
	}
}

// The files that a document of a URL refers to are read with each look, and only those of its folder.
func TestURLWithReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		root := referring(apiWith("a"), "pet.yaml")
		with := func(pet string) {
			server.answers(func(r *http.Request) (int, string, http.Header) {
				if r.URL.Path == "/v1/pet.yaml" {
					return 200, pet, nil
				}
				return versioned(root, `"1"`, "")(r)
			})
		}
		with("{type: object}\n")
		track := p.held(t, s)
		first := track.generation()
		if user, _, _ := server.last().BasicAuth(); user != "reader" || server.last().URL.RawQuery != "" {
			t.Errorf("asked for the reference as %s", server.last().URL)
		}
		time.Sleep(s.Refresh * 11 / 10)
		synctest.Wait()
		if track.generation() != first || p.compiles.Load() != 1 {
			t.Errorf("unchanged, and compiled %d times", p.compiles.Load())
		}
		with("{type: array, items: {}}\n")
		time.Sleep(s.Refresh * 11 / 10)
		synctest.Wait()
		if track.generation() == first || p.compiles.Load() != 2 {
			t.Errorf("what it refers to has changed, and is not in force; %d compiles", p.compiles.Load())
		}
	})
}

// Lazy: nothing is asked before the first request, many first requests cause one load, and while it fails, requests
// do not wait.
func TestLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		s.Lazy = true
		server.answers(func(*http.Request) (int, string, http.Header) {
			time.Sleep(time.Second)
			return 503, "", nil
		})
		track := p.held(t, s)
		time.Sleep(time.Minute)
		if n := server.requests(); n != 0 || track.generation() != nil {
			t.Fatalf("asked %d times before a request came", n)
		}
		all := func(want string) {
			t.Helper()
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					g, err := track.wait(context.Background())
					if got := fmt.Sprint(g != nil, err); !strings.Contains(got, want) {
						t.Errorf("%s, want %s", got, want)
					}
				})
			}
			wg.Wait()
		}
		all("503")
		began := time.Now()
		all("503")
		if waited := time.Since(began); waited != 0 || server.requests() != 1 {
			t.Errorf("waited %s for what has just failed, asked %d times", waited, server.requests())
		}
		time.Sleep(time.Second)
		all("503")
		if n := server.requests(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
		server.always(200, apiWith("a"))
		time.Sleep(time.Minute)
		all("true <nil>")
		if n := server.requests(); n != 3 || p.compiles.Load() != 1 {
			t.Errorf("asked %d times, compiled %d times", n, p.compiles.Load())
		}
		time.Sleep(s.Refresh * 11 / 10)
		synctest.Wait()
		if n := server.requests(); n != 4 {
			t.Errorf("not refreshed after the first load: asked %d times", n)
		}
	})
}

// A request waits 5 seconds at most, or until it is given up, and the load goes on.
func TestLazyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server, s := newRemote(t)
		s.Lazy = true
		server.answers(func(*http.Request) (int, string, http.Header) {
			time.Sleep(7 * time.Second)
			return 200, apiWith("a"), nil
		})
		track := p.held(t, s)
		began := time.Now()
		given, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := track.wait(given); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("given up: %v after %s", err, time.Since(began))
		}
		began = time.Now()
		if _, err := track.wait(context.Background()); !errors.Is(err, errLoading) || time.Since(began) != lazyWait {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if g, err := track.wait(context.Background()); g == nil || err != nil || server.requests() != 1 {
			t.Errorf("at the end: %v, %v, asked %d times", g, err, server.requests())
		}
	})
}
