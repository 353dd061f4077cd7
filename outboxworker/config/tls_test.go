package config

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pemFile writes a block in PEM and returns the file's name.
func pemFile(t *testing.T, name, kind string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	caFile := pemFile(t, "ca.pem", "CERTIFICATE", server.Certificate().Raw)
	keyFile := pemFile(t, "client.key", "PRIVATE KEY", key)

	c := load(t, `
database: {url: postgres://worker@localhost/shop}
outboxes: [{sink: {webhook: {url: "https://localhost", tls: {ca_file: `+caFile+`, cert_file: `+caFile+`, key_file: `+keyFile+`, server_name: example.com}}}}]
`)
	settings, err := c.Outboxes[0].Sink.Webhook.settings()
	if err != nil {
		t.Fatal(err)
	}
	if len(settings.TLS.Certificates) != 1 {
		t.Errorf("%d certificates", len(settings.TLS.Certificates))
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings.TLS}}
	answer, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("the certificate authority is not trusted: %v", err)
	}
	_ = answer.Body.Close()
	refusesCertificates(t, caFile, keyFile)
}

func refusesCertificates(t *testing.T, caFile, keyFile string) {
	t.Helper()
	for text, tls := range map[string]string{
		"reading ca_file: there is no certificate in it":                          "ca_file: " + keyFile,
		"reading cert_file and key_file: tls: failed to find any PEM data in key": "cert_file: " + caFile + ", key_file: testdata/empty.secret",
	} {
		got := refused(t, `
database: {url: postgres://worker@localhost/shop}
outboxes: [{sink: {webhook: {url: "https://localhost", tls: {`+tls+`}}}}]
`)
		if want := "line 3: outboxes[0].sink.webhook.tls: " + text; !strings.HasPrefix(got, want) {
			t.Errorf("problems: %s, want %s", got, want)
		}
	}
	got := refused(t, `
database: {url: postgres://worker@localhost/shop}
outboxes: [{sink: {redis_stream: {url: "redis://localhost", tls: {}}}}]
`)
	if want := "line 3: outboxes[0].sink.redis_stream.tls: set, but the url does not begin with rediss://"; got != want {
		t.Errorf("problems: %s, want %s", got, want)
	}
}
