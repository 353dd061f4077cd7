// Package statestore keeps what operators and guards decided over a restart, in
// the storage that Caddy is configured with.
package statestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"

	"github.com/caddyserver/certmagic"
)

// ErrBroken is returned by Load for a state that is there but cannot be decoded.
var ErrBroken = errors.New("broken state")

// timeout bounds each access: storage may be a network away, and neither loading
// a configuration nor an admin request may hang on it.
const timeout = 3 * time.Second

// key is where the state of a name is stored. Long names, as of pools that are
// named after their upstreams, are hashed: storage in files has limits.
func key(kind, name string) string {
	file := url.PathEscape(name)
	if len(file) > 100 {
		hash := sha256.Sum256([]byte(name))
		file = "sha256-" + hex.EncodeToString(hash[:])
	}
	return "weir/" + kind + "/" + file + ".json"
}

// Save stores v as JSON as the state of the given kind and name.
func Save(storage certmagic.Storage, kind, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding state of %s %q: %w", kind, name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := storage.Store(ctx, key(kind, name), data); err != nil {
		return fmt.Errorf("storing state of %s %q: %w", kind, name, err)
	}
	return nil
}

// Load decodes the stored state into v and leaves v alone if there is none. The
// error is ErrBroken if there is one that cannot be decoded.
func Load(storage certmagic.Storage, kind, name string, v any) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	data, err := storage.Load(ctx, key(kind, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading state of %s %q: %w", kind, name, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w of %s %q: %w", ErrBroken, kind, name, err)
	}
	return nil
}
