package canary

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/problem"
)

// cookied is a site that gives everybody a cookie.
func cookied(t *testing.T, listen, options, after string) string {
	t.Setenv("STAGE_KEY", "0123456789abcdef")
	return site(listen, "cookie weir_cohort {\nkeys {env.STAGE_KEY}\nmax_age 1h\n}\nresponse_header X-Stage\nstage stable\nstage canary 5%\n"+options, after)
}

// The cookie goes to those who have none, unless others could get it too.
func TestTheCookieIsSet(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Cache-Control", "Vary", "X-Stage", "Set-Cookie"} {
			if value := r.Header.Get("Want-" + name); value != "" {
				w.Header().Set(name, value)
			}
		}
		answersStatus(w, r)
	})
	refuse := script("refuse late", func(http.ResponseWriter, *http.Request) error {
		return (&problem.Refusal{Status: 503, By: "test"}).Handler()
	})
	serve(t, cookied(t, listen, "", "handle /nothing* {\nheader X-Nobody answers\n}\nhandle /refused {\n"+refuse+"\n}\nhandle {\nreverse_proxy "+up+"\n}"))
	for name, c := range map[string]struct {
		path   string
		header []string
		status int
		set    bool
		vary   string
	}{
		"an answer":               {"/200", nil, 200, true, "Cookie"},
		"an error of an upstream": {"/500", nil, 500, true, "Cookie"},
		"nobody answers":          {"/nothing", nil, 200, true, "Cookie"},
		"for the client alone":    {"/200", []string{"Want-Cache-Control", "private, max-age=60"}, 200, true, "Cookie"},
		"for everybody":           {"/200", []string{"Want-Cache-Control", "max-age=60"}, 200, false, "Cookie"},
		"for who has it already":  {"/304", nil, 304, false, "Cookie"},
		"an error of a handler":   {"/refused", nil, 503, false, "Cookie"},
		"a Vary of the upstream":  {"/200", []string{"Want-Vary", "Origin"}, 200, true, "Origin|Cookie"},
		"the upstream's cookie":   {"/200", []string{"Want-Set-Cookie", "a=b"}, 200, true, "Cookie"},
		"a stage of the upstream": {"/200", []string{"Want-X-Stage", "other"}, 200, true, "Cookie"},
	} {
		got := get(t, "http://"+listen+c.path, c.header...)
		wantReply(t, got, c.status, "")
		set := cohortCookie(got)
		if (set != nil) != c.set {
			t.Errorf("%s: the cookie is %v", name, set)
		}
		if vary := strings.Join(got.Header["Vary"], "|"); vary != c.vary {
			t.Errorf("%s: Vary is %s, want %s", name, vary, c.vary)
		}
		if stage := got.Header["X-Stage"]; len(stage) != 1 || stage[0] != "stable" && stage[0] != "canary" {
			t.Errorf("%s: X-Stage is %q", name, stage)
		}
		if set == nil {
			continue
		}
		if set.Path != "/" || set.MaxAge != 3600 || !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || set.Secure || set.Domain != "" {
			t.Errorf("%s: the cookie is %s", name, set)
		}
		if again := get(t, "http://"+listen+c.path, append(c.header, "Cookie", set.Name+"="+set.Value)...); cohortCookie(again) != nil {
			t.Errorf("%s: who has the cookie gets it again", name)
		}
	}
}

// cohortCookie is the cookie of the answer, nil if there is none.
func cohortCookie(r reply) *http.Cookie {
	for _, cookie := range r.Cookies() {
		if cookie.Name == "weir_cohort" {
			return cookie
		}
	}
	return nil
}

// The cookie of an encrypted connection is not sent over others.
func TestTheCookieIsSecureOnTLS(t *testing.T) {
	for name, c := range map[string]struct {
		options, proto string
		want           bool
	}{
		"a trusted proxy, TLS":    {"\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}\n", "https", true},
		"a trusted proxy, no TLS": {"\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}\n", "http", false},
		"anybody":                 {"", "https", false},
	} {
		listen := freeport.Address(t)
		if err := adapttest.LoadCaddyfile(t, c.options+"\tstorage file_system "+t.TempDir()+"\n\tlog {\n\t\toutput discard\n\t}\n", cookied(t, listen, "", "respond ok")); err != nil {
			t.Fatal(err)
		}
		set := cohortCookie(get(t, "http://"+listen, "X-Forwarded-Proto", c.proto))
		if set == nil || set.Secure != c.want {
			t.Errorf("%s: the cookie is %v, want one with Secure %v", name, set, c.want)
		}
		stop(t)
	}
}

// Informational answers pass, and are none that the client's cohort goes with.
func TestEarlyHintsPass(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, cookied(t, listen, "", "reverse_proxy "+backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "late")
	})))
	req, err := http.NewRequest(http.MethodGet, "http://"+listen, nil)
	if err != nil {
		t.Fatal(err)
	}
	var hints []textproto.MIMEHeader
	got := send(t, req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
			hints = append(hints, header)
			return nil
		},
	})))
	wantReply(t, got, 200, "late")
	if cohortCookie(got) == nil {
		t.Error("there is no cookie")
	}
	if len(hints) != 1 || hints[0].Get("Link") == "" || hints[0].Get("Set-Cookie") != "" {
		t.Errorf("early hints are %v", hints)
	}
}

// A stream is judged at its headers, whatever becomes of it.
func TestStreamsAreJudgedAtTheirHeaders(t *testing.T) {
	listen := freeport.Address(t)
	release := make(chan struct{})
	defer close(release)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			upgrade(w)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: begun\n\n")
		http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	serve(t, guarded(listen, "reverse_proxy "+up))
	res, err := client.Get("http://" + listen + "/canary")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "data: begun\n" {
		t.Fatalf("the first event is %q, %v", line, err)
	}
	wantSides(t, "1 requests 0 errors 0 unanswered", "0 requests 0 errors 0 unanswered")
	wantMetric(t, 1, responsesVec.WithLabelValues("checkout", "canary", "2xx"))

	conn, err := net.Dial("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /canary HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", listen)
	reader := bufio.NewReader(conn)
	switched, err := http.ReadResponse(reader, nil)
	if err != nil || switched.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the answer is %v, %v", switched, err)
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := reader.ReadString('\n'); line != "hello\n" {
		t.Errorf("through the tunnel comes %q, %v", line, err)
	}
	wantSides(t, "2 requests 0 errors 0 unanswered", "0 requests 0 errors 0 unanswered")
	wantMetric(t, 1, responsesVec.WithLabelValues("checkout", "canary", "1xx"))
}

// upgrade switches protocols and echoes a line.
func upgrade(w http.ResponseWriter) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if line, err := buffered.ReadString('\n'); err == nil {
		io.WriteString(conn, line)
	}
}
