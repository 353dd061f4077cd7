package cohort

// token.go writes cohorts and pins into signed tokens.

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"
)

const (
	// MinKey is the least number of bytes in a key.
	MinKey = 16
	// ClockSkew is by how much a token may be from the future, as the clock of another
	// process may be ahead.
	ClockSkew = time.Minute
)

// TokenError is why a token is refused. As a text it is a word for a metric.
type TokenError string

// The reasons, in the order in which Open looks for them.
const (
	// ErrMalformed: it is no token, or none in the one spelling that tokens have.
	ErrMalformed TokenError = "malformed"
	// ErrVersion: it has a version that this package does not know.
	ErrVersion TokenError = "version"
	// ErrSignature: it was made with another key or for another experiment, or was changed.
	ErrSignature TokenError = "signature"
	// ErrExpired: its time is over.
	ErrExpired TokenError = "expired"
	// ErrNotYet: it was made more than ClockSkew after now.
	ErrNotYet TokenError = "not_yet"
)

// Error implements error.
func (e TokenError) Error() string { return "cohort token refused: " + string(e) }

// Claim is what a token says. Times are whole seconds.
type Claim struct {
	// Point is the cohort, if Stage is empty.
	Point Point
	// Stage is the stage that the token pins its holder to, empty if it does not. It may
	// have gone since.
	Stage string
	// Issued is when the token was made.
	Issued time.Time
	// Expires is when it ends to be valid.
	Expires time.Time
}

// A token is base64url without padding of
//
//	version, kind (1 byte each), issued, expires (Unix seconds, 8 bytes each),
//	body (a cohort: the point, 8 bytes; a pin: the stage's name),
//	signature (16 bytes),
//
// numbers big-endian. The signature is the first half of HMAC-SHA256 of everything
// before it; its key comes from the given one by HKDF with the experiment's name.
const (
	tokenVersion = 1
	kindCohort   = 0
	kindPin      = 1

	issuedAt  = 2
	expiresAt = issuedAt + 8
	bodyAt    = expiresAt + 8
	pointLen  = 8
	macLen    = sha256.Size / 2
	maxRaw    = bodyAt + MaxStage + macLen
	maxText   = (maxRaw*8 + 5) / 6
)

// tokenText refuses the bits after the end that base64 does not use: they would be other
// spellings of the same token.
var tokenText = base64.RawURLEncoding.Strict()

// Signer makes and reads the tokens of one experiment. Its methods may be called
// concurrently.
type Signer struct {
	scratch sync.Pool // of *scratch
}

// scratch is the room that one token needs, kept so that none is allocated each time.
type scratch struct {
	macs []hash.Hash // one a key
	raw  [maxRaw]byte
	text [maxText]byte
	sum  [sha256.Size]byte
}

// NewSigner returns the Signer of an experiment. The first key signs, all of one or two
// verify: to change a key, put the new one before it, and leave the old one out when
// its last token has expired. Keys have at least MinKey bytes, which should be
// random. A token is valid for its experiment only, whatever the keys; put the seed
// into the name if another seed shall move those who hold tokens too.
func NewSigner(experiment string, keys ...[]byte) (*Signer, error) {
	if experiment == "" {
		return nil, errors.New("the experiment has no name to sign for")
	}
	if len(keys) < 1 || len(keys) > 2 {
		return nil, fmt.Errorf("there are %d keys: one is needed, and one more may be left from before", len(keys))
	}
	own := make([][]byte, len(keys))
	for i, key := range keys {
		switch {
		case len(key) == 0:
			return nil, fmt.Errorf("key %d is empty", i+1)
		case len(key) < MinKey:
			return nil, fmt.Errorf("key %d has less than %d bytes", i+1, MinKey)
		}
		var err error
		own[i], err = hkdf.Key(sha256.New, key, nil, "weir cohort token 1 "+experiment, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("deriving key %d: %w", i+1, err)
		}
	}
	s := new(Signer)
	s.scratch.New = func() any {
		w := new(scratch)
		for _, key := range own {
			w.macs = append(w.macs, hmac.New(sha256.New, key))
		}
		return w
	}
	return s, nil
}

// Seal returns a token for the cohort p. It has less than 100 characters, all of which
// may be in a cookie, and is valid from issued to expires, the fraction of a second
// cut off.
func (s *Signer) Seal(p Point, issued, expires time.Time) string {
	w := s.scratch.Get().(*scratch)
	defer s.scratch.Put(w)
	raw := w.begin(kindCohort, issued, expires)
	return w.finish(binary.BigEndian.AppendUint64(raw, uint64(p)))
}

// SealPin returns a token that pins its holder to a stage; otherwise it is as Seal's. It
// fails if the name is empty or has more than MaxStage bytes.
func (s *Signer) SealPin(stage string, issued, expires time.Time) (string, error) {
	if stage == "" || len(stage) > MaxStage {
		return "", fmt.Errorf("the name of a stage has 1 to %d bytes, not %d", MaxStage, len(stage))
	}
	w := s.scratch.Get().(*scratch)
	defer s.scratch.Put(w)
	raw := w.begin(kindPin, issued, expires)
	return w.finish(append(raw, stage...)), nil
}

// Open reads a token at the time now. The error is a TokenError, and then the Claim is
// empty. A token has one spelling: whatever Open accepts, Seal or SealPin has
// written. A cohort is read without allocating.
func (s *Signer) Open(value string, now time.Time) (Claim, error) {
	w := s.scratch.Get().(*scratch)
	defer s.scratch.Put(w)
	return w.open(value, now)
}

func (w *scratch) open(value string, now time.Time) (Claim, error) {
	raw, err := w.decode(value)
	if err != nil {
		return Claim{}, err
	}
	body := len(raw) - macLen
	if !w.signed(raw[:body], raw[body:]) {
		return Claim{}, ErrSignature
	}
	return read(raw[:body], now.Unix())
}

// begin writes what is before the body.
func (w *scratch) begin(kind byte, issued, expires time.Time) []byte {
	raw := append(w.raw[:0], tokenVersion, kind)
	raw = binary.BigEndian.AppendUint64(raw, uint64(issued.Unix()))
	return binary.BigEndian.AppendUint64(raw, uint64(expires.Unix()))
}

// finish signs raw with the first key and spells the token.
func (w *scratch) finish(raw []byte) string {
	raw = append(raw, w.sign(w.macs[0], raw)...)
	text := w.text[:tokenText.EncodedLen(len(raw))]
	tokenText.Encode(text, raw)
	return string(text)
}

// decode returns the bytes of a token whose form and version are right.
func (w *scratch) decode(value string) ([]byte, error) {
	n, err := tokenText.Decode(w.raw[:], w.text[:copy(w.text[:], value)])
	// What there was no room for shows in the length, and so do line breaks, which
	// base64 skips.
	if err != nil || n == 0 || tokenText.EncodedLen(n) != len(value) {
		return nil, ErrMalformed
	}
	switch {
	case w.raw[0] != tokenVersion: // whose form may be another
		return nil, ErrVersion
	case n <= bodyAt+macLen:
		return nil, ErrMalformed
	}
	return w.raw[:n], nil
}

// signed reports whether one of the keys made the signature.
func (w *scratch) signed(message, signature []byte) bool {
	for _, mac := range w.macs {
		if hmac.Equal(w.sign(mac, message), signature) {
			return true
		}
	}
	return false
}

// sign returns the signature of a message, which is valid until the next.
func (w *scratch) sign(mac hash.Hash, message []byte) []byte {
	mac.Reset()
	mac.Write(message)
	return mac.Sum(w.sum[:0])[:macLen]
}

// read returns what a message says whose signature is right. It may still come from a
// release that knows other kinds.
func read(message []byte, now int64) (Claim, error) {
	issued := int64(binary.BigEndian.Uint64(message[issuedAt:]))
	expires := int64(binary.BigEndian.Uint64(message[expiresAt:]))
	claim := Claim{Issued: time.Unix(issued, 0), Expires: time.Unix(expires, 0)}
	switch body := message[bodyAt:]; {
	case message[1] == kindCohort && len(body) == pointLen:
		claim.Point = Point(binary.BigEndian.Uint64(body))
	case message[1] == kindPin:
		claim.Stage = string(body)
	default:
		return Claim{}, ErrMalformed
	}
	switch {
	case now >= expires:
		return Claim{}, ErrExpired
	case issued > now+int64(ClockSkew/time.Second):
		return Claim{}, ErrNotYet
	}
	return claim, nil
}
