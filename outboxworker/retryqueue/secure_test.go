package retryqueue

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

// everything has a queue do all it can, also with what admin puts under its keys that does
// not belong there, by commands that the queue does not use.
func everything(t *testing.T, client, admin redis.UniversalClient) {
	t.Helper()
	q, _ := openOn(t, client)
	listen(t, q)
	rebuild(t, q, Timer{1, -time.Second}, Timer{2, -time.Second})
	c := claim(t, q, 1, lease).Claims[0]
	hint := q.hint.next()
	if _, err := q.Return(t.Context(), Returned{c, -time.Hour}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hint:
	case <-time.After(time.Minute):
		t.Error("no hint")
	}
	if _, err := q.Done(t.Context(), claim(t, q, 2, lease).Claims...); err != nil {
		t.Fatal(err)
	}
	schedule(t, q, Timer{3, time.Hour})
	if err := q.Remove(t.Context(), 1, 3); err != nil {
		t.Error(err)
	}
	if err := admin.ZIncrBy(t.Context(), q.due, 1, "foreign").Err(); err != nil {
		t.Fatal(err)
	}
	claim(t, q, 1, lease)
	assertStats(t, q, 0, 0, 1)
	if err := admin.RPush(t.Context(), q.leased, "text").Err(); err != nil {
		t.Fatal(err)
	}
	assertNotWhole(t, q)
}

// A user with Rights can do everything, and nothing elsewhere.
func TestRightsAreEnough(t *testing.T) {
	server := testserver.Redis(t)
	admin := connect(t, server)
	args := []any{"ACL", "SETUSER", "relay", "reset", "on", ">secret"}
	for right := range strings.FieldsSeq(Rights) {
		args = append(args, right)
	}
	if err := admin.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", server.Port()), Username: "relay", Password: "secret"})
	t.Cleanup(func() { _ = client.Close() })
	everything(t, client, admin)
	for name, err := range map[string]error{
		"reading another key":          client.Get(t.Context(), "other").Err(),
		"publishing elsewhere":         client.Publish(t.Context(), "other", "").Err(),
		"a command that is not needed": client.FlushAll(t.Context()).Err(),
	} {
		if err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each of the Rights is used: Redis counts the commands, those of scripts too.
func TestRightsAreNeeded(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t)
	admin, client := connect(t, server), connect(t, server)
	ofTheTest := []string{"info", "hello", "zincrby", "rpush"}
	used := func() string {
		var all []string
		for line := range strings.Lines(admin.Info(t.Context(), "commandstats").Val()) {
			name, _, found := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
			if found && !slices.Contains(ofTheTest, name) && !strings.HasPrefix(name, "client|") {
				all = append(all, "+"+name)
			}
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	everything(t, client, admin)
	want := slices.Sorted(strings.FieldsSeq(strings.ReplaceAll(Rights, "~retry:* &retry:* ", "")))
	// A listener that hears nothing asks after three seconds whether it is connected.
	for deadline := time.Now().Add(time.Minute); used() != strings.Join(want, " "); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("used  %s\nnamed %s", used(), strings.Join(want, " "))
		}
	}
}

// certificate writes a certificate of 127.0.0.1, which is its own authority, and its key.
func certificate(t *testing.T) (certFile, keyFile string, pair tls.Certificate, authority *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyText := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	pair, err = tls.X509KeyPair(certText, keyText)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(err, os.WriteFile(certFile, certText, 0o600), os.WriteFile(keyFile, keyText, 0o600)); err != nil {
		t.Fatal(err)
	}
	authority = x509.NewCertPool()
	authority.AppendCertsFromPEM(certText)
	return certFile, keyFile, pair, authority
}

// Everything works over TLS, both ends of which show a certificate, and nothing without.
func TestTLS(t *testing.T) {
	certFile, keyFile, pair, authority := certificate(t)
	port := strconv.Itoa(freeport.Port(t))
	server := testserver.RedisWith(t, localserver.RedisOptions{Settings: map[string]string{
		"tls-port": port, "tls-cert-file": certFile, "tls-key-file": keyFile, "tls-ca-cert-file": certFile,
	}})
	over := func(config *tls.Config) *redis.Client {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, TLSConfig: config, MaxRetries: -1, DialerRetries: 1})
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	everything(t, over(&tls.Config{RootCAs: authority, Certificates: []tls.Certificate{pair}}), connect(t, server))
	for name, config := range map[string]*tls.Config{
		"without TLS":                  nil,
		"an authority that is unknown": {Certificates: []tls.Certificate{pair}},
		"no certificate of the client": {RootCAs: authority},
	} {
		q, _ := openOn(t, over(config))
		if _, err := q.Claim(t.Context(), 1, lease); err == nil || errors.Is(err, ErrNotWhole) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
