package consul

import (
	"context"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

const secret = "0a1b2c3d-1111-2222-3333-444455556666"

// cleanEnvironment takes Consul's variables away until the test ends, but for those given.
func cleanEnvironment(t *testing.T, variables ...string) {
	t.Helper()
	for _, name := range []string{
		api.HTTPAddrEnvName, api.HTTPTokenEnvName, api.HTTPTokenFileEnvName, api.HTTPAuthEnvName, api.HTTPSSLEnvName, api.HTTPCAFile,
		api.HTTPCAPath, api.HTTPClientCert, api.HTTPClientKey, api.HTTPTLSServerName, api.HTTPSSLVerifyEnvName,
		api.HTTPNamespaceEnvName, api.HTTPPartitionEnvName, "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
	} {
		t.Setenv(name, "")
	}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
}

// file returns the name of a new file.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// asked returns the request that a client with the settings sends.
func asked(t *testing.T, s Settings) fakeRequest {
	t.Helper()
	var got fakeRequest
	c := newFakeConsul()
	c.setFault(func(_ http.ResponseWriter, r *http.Request) bool {
		got = fakeRequest{r.Method, r.Host, r.URL.RawQuery, r.Header.Get("X-Consul-Token")}
		return false
	})
	server := httptest.NewServer(c)
	defer server.Close()
	// whatever the address is
	direct := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}
	defer direct.CloseIdleConnections()
	config, err := s.config()
	if err != nil {
		t.Fatal(err)
	}
	config.Transport, config.HttpClient = nil, &http.Client{Transport: direct}
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.KV().Get("a", nil); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSettingsComeFromTheEnvironment(t *testing.T) {
	token := file(t, " from-file\n")
	for name, tc := range map[string]struct {
		environment []string
		settings    Settings
		want        fakeRequest
	}{
		"nothing":     {nil, Settings{}, fakeRequest{"GET", "127.0.0.1:8500", "", ""}},
		"environment": {[]string{"CONSUL_HTTP_ADDR=env:1", "CONSUL_HTTP_TOKEN=t", "CONSUL_NAMESPACE=n", "CONSUL_PARTITION=p"}, Settings{}, fakeRequest{"GET", "env:1", "ns=n&partition=p", "t"}},
		"settings": {
			[]string{"CONSUL_HTTP_ADDR=env:1", "CONSUL_HTTP_TOKEN=t", "CONSUL_NAMESPACE=n", "CONSUL_PARTITION=p", "CONSUL_HTTP_SSL=1"},
			Settings{Address: "http://own:2", Token: "own", Datacenter: "d", Namespace: "m", Partition: "q"},
			fakeRequest{"GET", "own:2", "dc=d&ns=m&partition=q", "own"},
		},
		"placeholder":               {[]string{"CONSUL_HTTP_TOKEN=t", "OTHER=o"}, Settings{Token: "{env.OTHER}"}, fakeRequest{"GET", "127.0.0.1:8500", "", "o"}},
		"token file":                {[]string{"CONSUL_HTTP_TOKEN=t"}, Settings{TokenFile: token}, fakeRequest{"GET", "127.0.0.1:8500", "", "from-file"}},
		"token before file of env.": {[]string{"CONSUL_HTTP_TOKEN_FILE=" + token}, Settings{Token: "own"}, fakeRequest{"GET", "127.0.0.1:8500", "", "own"}},
		"token file of env.":        {[]string{"CONSUL_HTTP_TOKEN_FILE=" + token}, Settings{}, fakeRequest{"GET", "127.0.0.1:8500", "", "from-file"}},
	} {
		t.Run(name, func(t *testing.T) {
			cleanEnvironment(t, tc.environment...)
			if got := asked(t, tc.settings); got != tc.want {
				t.Errorf("asked is %+v, want %+v", got, tc.want)
			}
		})
	}
}

// Everything that a client is made from makes another identity, and nothing else does.
func TestIdentity(t *testing.T) {
	cleanEnvironment(t)
	identity := func(s Settings) string {
		t.Helper()
		_, identity, err := s.connect()
		if err != nil || identity == "" || strings.Contains(identity, "own") {
			t.Fatalf("identity %q, %v", identity, err)
		}
		return identity
	}
	seen := map[string]int{identity(Settings{}): -1}
	if identity(Settings{Address: "127.0.0.1:8500", TLS: new(TLS)}) != identity(Settings{}) {
		t.Error("a default that is spelled out makes a difference")
	}
	token := file(t, "a")
	for i, s := range []Settings{
		{Address: "10.0.0.1:8500"}, {Address: "https://10.0.0.1:8500"}, {Token: "own"}, {Token: "own2"}, {TokenFile: token}, {Datacenter: "own"},
		{Namespace: "own"}, {Partition: "own"}, {Address: "https://10.0.0.1:8500", TLS: &TLS{ServerName: "own"}},
	} {
		if other, ok := seen[identity(s)]; ok {
			t.Errorf("settings %d are as settings %d", i, other)
		}
		seen[identity(s)] = i
	}
	if err := os.WriteFile(token, []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := seen[identity(Settings{TokenFile: token})]; ok {
		t.Error("another content of the token's file is no difference")
	}
}

func TestTLS(t *testing.T) {
	cleanEnvironment(t)
	server := httptest.NewTLSServer(newFakeConsul())
	defer server.Close()
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	ask := func(tls *TLS) error {
		client, _, err := Settings{Address: server.URL, TLS: tls}.connect()
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = client.KV().Get("a", nil)
		return err
	}
	if err := ask(&TLS{CA: ca}); err != nil {
		t.Error(err)
	}
	if err := ask(&TLS{CA: ca, ServerName: "example.com"}); err != nil {
		t.Error(err)
	}
	if err := ask(&TLS{CA: ca, ServerName: "elsewhere.test"}); err == nil {
		t.Error("a certificate with another name is taken")
	}
	if err := ask(nil); err == nil {
		t.Error("a certificate of nobody known is taken")
	}
}

// A connection over HTTP/2 that died without a word would fail requests for a quarter of
// an hour; Consul offers it.
func TestNoHTTP2(t *testing.T) {
	cleanEnvironment(t)
	c := newFakeConsul()
	major := make(chan int, 1)
	c.setFault(func(_ http.ResponseWriter, r *http.Request) bool { major <- r.ProtoMajor; return false })
	server := httptest.NewUnstartedServer(c)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	client, _, err := Settings{Address: server.URL, TLS: &TLS{CA: ca}}.connect()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = client.KV().Get("a", nil); err != nil {
		t.Fatal(err)
	}
	if got := <-major; got != 1 {
		t.Errorf("it speaks HTTP/%d", got)
	}
}

// An address may be as a browser shows it, or have the path of a proxy.
func TestAddressWithAPath(t *testing.T) {
	for suffix, want := range map[string]string{"": "/v1/kv/a", "/": "/v1/kv/a", "/consul": "/consul/v1/kv/a", "/consul/": "/consul/v1/kv/a"} {
		c := newFakeConsul()
		url := "http://" + c.listen(t) + suffix
		cleanEnvironment(t, "CONSUL_HTTP_ADDR="+url)
		for _, s := range []Settings{{Address: url}, {}} {
			client, _, err := s.connect()
			if err != nil {
				t.Fatal(err)
			}
			_, _, _ = client.KV().Get("a", nil) // what is below a path is not there
		}
		if all := c.requests("GET", want); len(all) != 2 {
			t.Errorf("%s: asked was %v", suffix, c.requests("", ""))
		}
	}
}

// Errors name the option and what to do, and never the token.
func TestBadSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		environment []string
		settings    Settings
		want        string
	}{
		"token is empty":      {nil, Settings{Token: "{env.NOT_THERE}"}, "token: a placeholder in it is unknown or has no value"},
		"token is unknown":    {nil, Settings{Token: "{" + secret + "}"}, "token: a placeholder"},
		"token is blank":      {nil, Settings{Token: " "}, "token: a placeholder"},
		"two tokens":          {nil, Settings{Token: secret, TokenFile: "f"}, "token and token_file exclude each other"},
		"no token file":       {nil, Settings{TokenFile: "/nowhere/token"}, "token_file: open /nowhere/token"},
		"empty token file":    {nil, Settings{TokenFile: "/dev/null"}, "token_file /dev/null is empty"},
		"no ca":               {nil, Settings{Address: "https://a:1", TLS: &TLS{CA: "/nowhere/ca"}}, "/nowhere/ca"},
		"plain":               {nil, Settings{TLS: &TLS{CA: "/ca"}}, "tls_ca and the like are for an address that begins with https://"},
		"half":                {nil, Settings{Address: "https://a:1", TLS: &TLS{Key: "/key"}}, "tls_cert and tls_key belong together"},
		"password":            {nil, Settings{Address: "http://me:" + secret + "@a:1"}, "address is not of the form http://host:port"},
		"address of env.":     {[]string{"CONSUL_HTTP_ADDR=" + secret + "@a"}, Settings{}, "CONSUL_HTTP_ADDR: address is neither host:port"},
		"ssl of env.":         {[]string{"CONSUL_HTTP_SSL=yes"}, Settings{}, `CONSUL_HTTP_SSL is "yes" and neither true nor false`},
		"token file of env.":  {[]string{"CONSUL_HTTP_TOKEN_FILE=/nowhere/token"}, Settings{}, "/nowhere/token"},
		"placeholder in file": {nil, Settings{TokenFile: "{env.FILE}"}, `token_file "{env.FILE}": no placeholders`},
	} {
		t.Run(name, func(t *testing.T) {
			cleanEnvironment(t, tc.environment...)
			_, _, err := tc.settings.connect()
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("error is %v, want one with %q", err, tc.want)
			}
		})
	}
}
