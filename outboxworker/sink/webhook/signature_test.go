package webhook

import (
	"encoding/base64"
	"strings"
	"testing"
)

const vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The first signature is in the test vector that the libraries of Standard Webhooks
// share.
func TestSignature(t *testing.T) {
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	// The same of another secret, computed with openssl dgst -sha256 -mac HMAC.
	const other, otherWant = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI="
	for _, test := range []struct {
		secrets []string
		want    string
	}{
		{nil, ""},
		{[]string{vectorSecret}, want},
		{[]string{other, vectorSecret}, otherWant + " " + want},
		{[]string{vectorSecret, other}, want + " " + otherWant},
	} {
		keys, err := parseSecrets(test.secrets)
		if err != nil {
			t.Fatal(err)
		}
		if got := sign(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)); got != test.want {
			t.Errorf("%d secrets: %s, want %s", len(keys), got, test.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	secret := func(n int) string { return secretPrefix + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, test := range []struct {
		name    string
		secrets []string
		want    string
	}{
		{"24 and 64 bytes", []string{secret(24), secret(64)}, ""},
		{"23 bytes", []string{secret(23)}, "secrets: a secret has 23 bytes"},
		{"65 bytes", []string{secret(24), secret(65)}, "secrets: a secret has 65 bytes"},
		{"three", []string{secret(24), secret(24), secret(24)}, "secrets: there are 3"},
		{"empty", []string{""}, "secrets: a secret does not begin with whsec_"},
		{"without the prefix", []string{secret(24)[6:]}, "secrets: a secret does not begin with whsec_"},
		{"no base64", []string{"whsec_!secret-word!"}, "secrets: a secret is not base64"},
	} {
		_, err := parseSecrets(test.secrets)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: a secret is in %q", test.name, err)
		}
	}
}
