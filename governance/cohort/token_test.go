package cohort

import (
	"encoding/base64"
	"errors"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	keyOne = []byte("0123456789abcdef0123456789abcdef")
	keyTwo = []byte("another key, of bytes as random")

	issued  = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	expires = issued.Add(24 * time.Hour)

	tokenForm = regexp.MustCompile(`^[A-Za-z0-9_-]{45,99}$`)
)

func signerOf(t testing.TB, experiment string, keys ...[]byte) *Signer {
	t.Helper()
	s, err := NewSigner(experiment, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealPin(t testing.TB, s *Signer, stage string) string {
	t.Helper()
	value, err := s.SealPin(stage, issued, expires)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func requireError(t *testing.T, s *Signer, value string, now time.Time, want TokenError) {
	t.Helper()
	claim, err := s.Open(value, now)
	if !errors.Is(err, want) || claim != (Claim{}) {
		t.Errorf("%q at %v: %+v, %v, want %s", value, now, claim, err, want)
	}
}

// Made by another implementation. A change would make all tokens worthless that are in
// browsers.
func TestTokensNeverChange(t *testing.T) {
	s := signerOf(t, "checkout", keyOne)
	want := "AQAAAAAAcNvYgAAAAABw3SoAASNFZ4mrze9UeJsIck3KfSIPIBFKmhUx"
	if got := s.Seal(0x0123456789abcdef, issued, expires); got != want {
		t.Errorf("Seal: %s, want %s", got, want)
	}
	want = "AQEAAAAAcNvYgAAAAABw3SoAcHJldmlld3bIC9U384y-wIcnmQhx8LY"
	if got := sealPin(t, s, "preview"); got != want {
		t.Errorf("SealPin: %s, want %s", got, want)
	}
}

func TestTokensSayWhatWasSealed(t *testing.T) {
	s := signerOf(t, "checkout", keyOne)
	random := rand.New(rand.NewPCG(7, 8))
	for _, p := range []Point{0, 1, 1 << 63, last, Point(random.Uint64()), Point(random.Uint64())} {
		value := s.Seal(p, issued.Add(time.Millisecond), expires.Add(time.Second-1))
		claim, err := s.Open(value, issued)
		if err != nil || claim.Point != p || claim.Stage != "" || !claim.Issued.Equal(issued) || !claim.Expires.Equal(expires) {
			t.Errorf("%x: %+v, %v", uint64(p), claim, err)
		}
		if len(value) != 56 || !tokenForm.MatchString(value) {
			t.Errorf("%q has %d characters", value, len(value))
		}
	}
	for _, stage := range []string{"canary", "a", "zoë; Path=/", strings.Repeat("x", MaxStage), "12345678"} {
		value := sealPin(t, s, stage)
		claim, err := s.Open(value, issued)
		if err != nil || claim.Point != 0 || claim.Stage != stage || !claim.Issued.Equal(issued) || !claim.Expires.Equal(expires) {
			t.Errorf("%s: %+v, %v", stage, claim, err)
		}
		if !tokenForm.MatchString(value) {
			t.Errorf("%q has %d characters", value, len(value))
		}
	}
}

func TestPinNeedsAName(t *testing.T) {
	s := signerOf(t, "checkout", keyOne)
	for _, stage := range []string{"", strings.Repeat("x", MaxStage+1)} {
		if value, err := s.SealPin(stage, issued, expires); err == nil || value != "" {
			t.Errorf("%q: %q, %v", stage, value, err)
		}
	}
}

func TestTokenHasItsTime(t *testing.T) {
	s := signerOf(t, "checkout", keyOne)
	for _, value := range []string{s.Seal(42, issued, expires), sealPin(t, s, "canary")} {
		for _, now := range []time.Time{issued, issued.Add(-ClockSkew), expires.Add(-1)} {
			if _, err := s.Open(value, now); err != nil {
				t.Errorf("at %v: %v", now, err)
			}
		}
		requireError(t, s, value, expires, ErrExpired)
		requireError(t, s, value, expires.Add(1000*time.Hour), ErrExpired)
		requireError(t, s, value, issued.Add(-ClockSkew-1), ErrNotYet)
	}
	requireError(t, s, s.Seal(42, issued, issued), issued, ErrExpired)
	// times that no calendar has
	for _, far := range []time.Time{time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0)} {
		requireError(t, s, s.Seal(42, far, issued), issued, ErrExpired)
	}
	requireError(t, s, s.Seal(42, time.Unix(math.MaxInt64, 0), time.Unix(math.MaxInt64, 0)), issued, ErrNotYet)
}

func TestTokenIsOfItsKeyAndExperiment(t *testing.T) {
	value := signerOf(t, "checkout", keyOne).Seal(42, issued, expires)
	for name, s := range map[string]*Signer{
		"its key":               signerOf(t, "checkout", keyOne),
		"a new key before it":   signerOf(t, "checkout", keyTwo, keyOne),
		"its key before an old": signerOf(t, "checkout", keyOne, keyTwo),
	} {
		if claim, err := s.Open(value, issued); err != nil || claim.Point != 42 {
			t.Errorf("%s: %+v, %v", name, claim, err)
		}
	}
	for _, s := range []*Signer{
		signerOf(t, "checkout", keyTwo), signerOf(t, "search", keyOne), signerOf(t, "checkout2", keyOne),
	} {
		requireError(t, s, value, issued, ErrSignature)
	}
	// the first key signs
	rotated := signerOf(t, "checkout", keyTwo, keyOne).Seal(42, issued, expires)
	if want := signerOf(t, "checkout", keyTwo).Seal(42, issued, expires); rotated != want {
		t.Errorf("two keys seal %s, want %s", rotated, want)
	}
}

// Every other text than a token is refused, and every other spelling of one too.
func TestTokenHasOneSpelling(t *testing.T) {
	s := signerOf(t, "checkout", keyOne, keyTwo)
	requireError(t, s, "", issued, ErrMalformed) // before it knows any other
	// they end in each place that a base64 group has
	for _, value := range []string{s.Seal(42, issued, expires), sealPin(t, s, "canary"), sealPin(t, s, "preview")} {
		for _, other := range []string{
			"", " ", value + "=", value + "==", value + "\n", "\r\n" + value, value[:20] + "\n" + value[20:], " " + value, value + ".",
			`"` + value + `"`, value[:len(value)-1] + "+", value[:len(value)-1] + "/", value[:20] + "%41" + value[21:],
			"A", "AQ", "AQA", "AQAA", value[:20], value[:44], strings.Repeat("A", maxText+1), value + strings.Repeat("A", 1<<16),
			strings.Repeat("\n", 56), "AQ" + strings.Repeat("\n", 54), "ünïcödé", "\x00",
		} {
			requireError(t, s, other, issued, ErrMalformed)
		}
		// every character by every other: no change gets through
		for i := range value {
			for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=\n") {
				other := value[:i] + string(c) + value[i+1:]
				if claim, err := s.Open(other, issued); other != value && (err == nil || claim != (Claim{})) {
					t.Fatalf("%q opens like %q", other, value)
				}
			}
		}
		raw := rawOf(t, value)
		requireError(t, s, text(raw[:len(raw)-1]), issued, ErrSignature)
		requireError(t, s, text(append(raw, 0)), issued, ErrSignature)
	}
}

func rawOf(t *testing.T, value string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func text(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func TestTokenOfAnotherVersion(t *testing.T) {
	s := signerOf(t, "checkout", keyOne)
	raw := rawOf(t, s.Seal(42, issued, expires))
	for _, version := range []byte{0, 2, 255} {
		raw[0] = version
		requireError(t, s, text(raw), issued, ErrVersion)
		requireError(t, s, text(raw[:3]), issued, ErrVersion)
	}
}

// A signature alone makes nothing a token.
func TestSignedNonsenseIsRefused(t *testing.T) {
	s := signerOf(t, "checkout", keyOne)
	for name, c := range map[string]struct {
		kind byte
		body string
	}{
		"an unknown kind":  {2, "12345678"},
		"a short point":    {kindCohort, "1234567"},
		"a long point":     {kindCohort, "123456789"},
		"a point too many": {kindCohort, "1234567812345678"},
	} {
		t.Run(name, func(t *testing.T) {
			requireError(t, s, sealed(s, c.kind, c.body), issued, ErrMalformed)
		})
	}
	requireError(t, s, sealed(s, kindPin, ""), issued, ErrMalformed)
	if _, err := s.Open(sealed(s, kindPin, "12345678"), issued); err != nil {
		t.Errorf("a pin made in the same way: %v", err)
	}
}

// sealed signs anything.
func sealed(s *Signer, kind byte, body string) string {
	w := s.scratch.Get().(*scratch)
	defer s.scratch.Put(w)
	return w.finish(append(w.begin(kind, issued, expires), body...))
}

func TestSignerIsSharedByGoroutines(t *testing.T) {
	s := signerOf(t, "checkout", keyOne)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 200 {
				p := Point(g<<32 | i)
				claim, err := s.Open(s.Seal(p, issued, expires), issued)
				if err != nil || claim.Point != p {
					t.Errorf("%x: %+v, %v", uint64(p), claim, err)
				}
			}
		})
	}
	all.Wait()
}

// The keys are the caller's, who may wipe them.
func TestSignerKeepsNoKeyOfTheCaller(t *testing.T) {
	key := slices.Clone(keyOne)
	s := signerOf(t, "checkout", key)
	clear(key)
	if _, err := signerOf(t, "checkout", keyOne).Open(s.Seal(42, issued, expires), issued); err != nil {
		t.Error(err)
	}
}

func TestSignerRefuses(t *testing.T) {
	short := []byte("secret-of-15-by")
	for want, c := range map[string]struct {
		experiment string
		keys       [][]byte
	}{
		"the experiment has no name":   {"", [][]byte{keyOne}},
		"there are 0 keys":             {"checkout", nil},
		"there are 3 keys":             {"checkout", [][]byte{keyOne, keyTwo, keyOne}},
		"key 1 is empty":               {"checkout", [][]byte{nil}},
		"key 2 is empty":               {"checkout", [][]byte{keyOne, {}}},
		"key 1 has less than 16 bytes": {"checkout", [][]byte{short}},
		"key 2 has less than 16 bytes": {"checkout", [][]byte{keyOne, short}},
	} {
		_, err := NewSigner(c.experiment, c.keys...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d keys: %v, want %q", len(c.keys), err, want)
		}
	}
	signerOf(t, "checkout", keyOne[:MinKey])
}

func TestErrorsAreWordsForAMetric(t *testing.T) {
	_, err := signerOf(t, "checkout", keyOne).Open("?", issued)
	var reason TokenError
	if !errors.As(err, &reason) || string(reason) != "malformed" || err.Error() != "cohort token refused: malformed" {
		t.Errorf("%q, %v", reason, err)
	}
}
