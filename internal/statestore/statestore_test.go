package statestore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

func TestSaveAndLoad(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	got := map[string]int{"kept": 1}
	if err := Load(storage, "pools", "shop", &got); err != nil || got["kept"] != 1 {
		t.Errorf("nothing stored: %v, %v", got, err)
	}
	for _, name := range []string{"shop", "a:8080,b:8080", "../../up", "..", "with/slash", "ü", strings.Repeat("10.0.0.1:8080,", 100)} {
		if err := Save(storage, "pools", name, map[string]int{name: 2}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"shop", "a:8080,b:8080", "../../up", "..", "with/slash", "ü", strings.Repeat("10.0.0.1:8080,", 100)} {
		got = nil
		if err := Load(storage, "pools", name, &got); err != nil || got[name] != 2 || len(got) != 1 {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	keys, err := storage.List(context.Background(), "weir/pools", false)
	if err != nil || len(keys) != 7 {
		t.Errorf("keys are %q, %v: a name must stay below its kind", keys, err)
	}
}

func TestErrors(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	if err := storage.Store(context.Background(), key("pools", "shop"), []byte("{")); err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	if err := Load(storage, "pools", "shop", &got); !errors.Is(err, ErrBroken) {
		t.Errorf("broken JSON: error is %v", err)
	}
	if err := Save(storage, "pools", "shop", func() {}); err == nil {
		t.Error("a function was stored")
	}
	if err := Load(stuck{}, "pools", "shop", &got); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("storage that hangs: error is %v", err)
	}
}

// stuck is storage that never answers.
type stuck struct{ certmagic.Storage }

func (stuck) Load(ctx context.Context, _ string) ([]byte, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Minute):
		return nil, nil
	}
}
