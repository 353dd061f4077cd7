package cohort

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// FuzzOpen reads foreign texts as tokens, and signed foreign bytes, which get further.
func FuzzOpen(f *testing.F) {
	s := signerOf(f, "checkout", keyOne, keyTwo)
	value, pin := s.Seal(42, issued, expires), sealPin(f, s, "canary")
	for _, text := range []string{
		"", "A", "AQ", value, pin, value + "=", value + "\n", value[:40], strings.ToUpper(value),
		value[:len(value)-1] + "_", strings.Repeat("AQAA", 24), strings.Repeat("A", 99), strings.Repeat("\n", 99),
	} {
		f.Add(text, issued.Unix())
		f.Add(text, expires.Unix())
	}
	f.Add("\x01\x00\x00\x00\x00\x00\x70\xdb\xd8\x80\x00\x00\x00\x00\x70\xdd\x2a\x0012345678", issued.Unix())
	f.Add("\x01\x01\x00\x00\x00\x00\x70\xdb\xd8\x80\x00\x00\x00\x00\x70\xdd\x2a\x00beta", issued.Unix())
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		requireSound(t, s, text, time.Unix(unix, 0))
		if len(text) <= maxRaw-macLen {
			w := s.scratch.Get().(*scratch)
			signed := w.finish(append(w.raw[:0], text...))
			s.scratch.Put(w)
			requireSound(t, s, signed, time.Unix(unix, 0))
		}
	})
}

// requireSound checks that a text is refused for a known reason, or is what Seal or
// SealPin writes of the claim and is in its time.
func requireSound(t *testing.T, s *Signer, text string, now time.Time) {
	t.Helper()
	claim, err := s.Open(text, now)
	if err != nil {
		var reason TokenError
		if !errors.As(err, &reason) || claim != (Claim{}) {
			t.Fatalf("%q: %+v, %v", text, claim, err)
		}
		return
	}
	again := s.Seal(claim.Point, claim.Issued, claim.Expires)
	if claim.Stage != "" {
		if again, err = s.SealPin(claim.Stage, claim.Issued, claim.Expires); err != nil {
			t.Fatal(err)
		}
	}
	if again != text || len(text) > 99 {
		t.Fatalf("%q opens as %+v, which is written %q", text, claim, again)
	}
	if now.Unix() >= claim.Expires.Unix() || now.Unix()+int64(ClockSkew/time.Second) < claim.Issued.Unix() {
		t.Fatalf("%+v is valid at %v", claim, now)
	}
}
