package exchange

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// keeper is an owner that keeps the bodies of answers, and holds failures back.
type keeper struct {
	Writer
	kept  strings.Builder
	begun []int
	full  int // at how many bytes it lets all of the answer go
}

func (k *keeper) Begin(status int) (hold bool) {
	k.begun = append(k.begun, status)
	k.Divert(true)
	return status >= 500
}

func (k *keeper) Take(p []byte) (int, error) {
	k.kept.Write(p)
	switch {
	case k.Held() && k.full > 0 && k.kept.Len() >= k.full:
		k.Release()
		if _, err := k.Writer.Take([]byte(k.kept.String())); err != nil {
			return 0, err
		}
		return len(p), nil
	case k.Held():
		return len(p), nil
	}
	return k.Writer.Take(p)
}

func newKeeper(below http.ResponseWriter) *keeper {
	k := new(keeper)
	k.Wrap(below, httptest.NewRequest("GET", "/", nil), k)
	return k
}

func TestHeldAnswers(t *testing.T) {
	rec := httptest.NewRecorder()
	k := newKeeper(rec)
	k.WriteHeader(http.StatusBadGateway)
	k.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(k, "abc")
	_, _ = io.Copy(k, io.LimitReader(strings.NewReader("def"), 3))
	if err := http.NewResponseController(k).Flush(); err != nil {
		t.Error(err)
	}
	if rec.Body.Len() > 0 || rec.Flushed || rec.Result().StatusCode == http.StatusBadGateway || k.Status() != http.StatusBadGateway || k.kept.String() != "abcdef" {
		t.Errorf("status %d, kept %q; sent %d, %q, flushed %v", k.Status(), &k.kept, rec.Result().StatusCode, rec.Body, rec.Flushed)
	}
}

// An owner may have enough in the middle of a copy.
func TestReleasedAnswers(t *testing.T) {
	rec := httptest.NewRecorder()
	k := newKeeper(rec)
	k.full = 2
	k.WriteHeader(http.StatusBadGateway)
	n, err := io.Copy(k, io.MultiReader(strings.NewReader("a"), strings.NewReader("bc"), strings.NewReader("d")))
	_, _ = io.WriteString(k, "e")
	if n != 4 || err != nil || rec.Code != http.StatusBadGateway || rec.Body.String() != "abcde" || k.kept.String() != "abc" || k.size != 5 {
		t.Errorf("%d, %v: sent %d, %q of %d bytes, kept %q", n, err, rec.Code, rec.Body, k.size, &k.kept)
	}
}

// A body that is diverted may go to the client nevertheless.
func TestCopiedAnswers(t *testing.T) {
	below := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
	k := newKeeper(below)
	if n, err := io.Copy(k, io.LimitReader(strings.NewReader("abc"), 3)); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	k.Flush()
	if below.used != 0 || !below.Flushed || below.Body.String() != "abc" || k.kept.String() != "abc" || k.size != 3 {
		t.Errorf("used %d, flushed %v, sent %q of %d bytes, kept %q", below.used, below.Flushed, below.Body, k.size, &k.kept)
	}
}

func TestWhatOwnersAreTold(t *testing.T) {
	for _, c := range []struct {
		name    string
		want    []int
		streams bool
		write   func(*keeper)
	}{
		{"an answer", []int{200}, false, func(k *keeper) {
			k.WriteHeader(http.StatusEarlyHints)
			_, _ = k.Write(nil)
			k.WriteHeader(http.StatusBadGateway)
			k.Flush()
		}},
		{"hijacked", []int{101}, true, func(k *keeper) {
			_, _, _ = k.Hijack()
			_, _ = k.Write(nil)
			k.Flush()
		}},
		{"hijacked after its status", []int{101}, true, func(k *keeper) {
			k.WriteHeader(http.StatusSwitchingProtocols)
			_, _, _ = k.Hijack()
		}},
		{"hijacked after another status", []int{200, 101}, true, func(k *keeper) {
			k.WriteHeader(http.StatusOK)
			_, _, _ = k.Hijack()
			k.Flush()
		}},
	} {
		k := newKeeper(hijacker{httptest.NewRecorder(), nil})
		if c.write(k); !slices.Equal(k.begun, c.want) || k.Status() != c.want[0] || k.Streams() != c.streams {
			t.Errorf("%s: told %v, status %d, a stream: %v; want %v", c.name, k.begun, k.Status(), k.Streams(), c.want)
		}
	}
}
