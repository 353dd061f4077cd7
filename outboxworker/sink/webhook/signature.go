package webhook

// signature.go holds the signature of Standard Webhooks.

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	secretPrefix = "whsec_"
	// What the specification recommends for a secret, in bytes.
	minSecret, maxSecret = 24, 64
	maxSecrets           = 2
)

// signingKey is a secret without its encoding.
type signingKey []byte

// parseSecrets leaves out of its errors what was parsed.
func parseSecrets(secrets []string) ([]signingKey, error) {
	if len(secrets) > maxSecrets {
		return nil, fmt.Errorf("secrets: there are %d, and %d are allowed", len(secrets), maxSecrets)
	}
	var keys []signingKey
	for _, secret := range secrets {
		encoded, ok := strings.CutPrefix(secret, secretPrefix)
		if !ok {
			return nil, errors.New("secrets: a secret does not begin with " + secretPrefix)
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, errors.New("secrets: a secret is not base64 after " + secretPrefix)
		}
		if len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("secrets: a secret has %d bytes, not %d to %d", len(key), minSecret, maxSecret)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// sign returns the webhook-signature of a message: one signature for each key.
func sign(keys []signingKey, id, timestamp string, payload []byte) string {
	var all []byte
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(payload)
		if i > 0 {
			all = append(all, ' ')
		}
		all = append(all, "v1,"...)
		all = base64.StdEncoding.AppendEncode(all, mac.Sum(nil))
	}
	return string(all)
}
