package body

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

var writers = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"br":      func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
	"zstd": func(w io.Writer) io.WriteCloser {
		z, _ := zstd.NewWriter(w)
		return z
	},
}

// compress applies codings in the order of a Content-Encoding header.
func compress(t testing.TB, text []byte, codings ...string) []byte {
	t.Helper()
	for _, coding := range codings {
		var b bytes.Buffer
		w := writers[coding](&b)
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		text = b.Bytes()
	}
	return text
}

func TestDecompress(t *testing.T) {
	plain := []byte(strings.Repeat(`{"name":"weir"}`, 100))
	for coding := range writers {
		coded := compress(t, plain, coding)
		for _, header := range []string{coding, strings.ToUpper(coding), " " + coding + " , identity", "," + coding} {
			got, err := Decompress(header, coded, 1500)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%q: %d bytes, %v", header, len(got), err)
			}
		}
		empty, err := Decompress(coding, compress(t, nil, coding), 0)
		if err != nil || len(empty) != 0 {
			t.Errorf("%s of nothing: %d bytes, %v", coding, len(empty), err)
		}
	}
	for _, header := range []string{"", "identity"} {
		if got, err := Decompress(header, plain, 1500); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q: %d bytes, %v", header, len(got), err)
		}
	}
	chain := compress(t, plain, "gzip", "br", "zstd")
	if got, err := Decompress("gzip, br, zstd", chain, 1500); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("chain: %d bytes, %v", len(got), err)
	}
}

func TestDecompressRefuses(t *testing.T) {
	plain := []byte(strings.Repeat("x", 1500))
	raw := func() []byte {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 6)
		w.Write(plain)
		w.Close()
		return b.Bytes()
	}()
	type row struct {
		name, header string
		text         []byte
		max          int64
		want         error
	}
	rows := []row{
		{"unknown coding", "compress", plain, 1500, ErrCoding},
		{"unknown in a chain", "gzip, aws-chunked", compress(t, plain, "gzip"), 1500, ErrCoding},
		{"long chain", "gzip,gzip,gzip,gzip", compress(t, plain, "gzip", "gzip", "gzip", "gzip"), 1500, ErrCoding},
		{"identity too large", "", plain, 1499, ErrTooLarge},
		{"raw deflate", "deflate", raw, 1500, ErrCorrupt},
		{"wrong order", "br, gzip", compress(t, plain, "gzip", "br"), 1500, ErrCorrupt},
	}
	for coding := range writers {
		coded := compress(t, plain, coding)
		rows = append(rows,
			row{coding + " too large", coding, coded, 1499, ErrTooLarge},
			row{coding + " not compressed", coding, plain, 1500, ErrCorrupt},
			row{coding + " cut off", coding, coded[:len(coded)-1], 1500, ErrCorrupt},
			row{coding + " with a tail", coding, append(bytes.Clone(coded), "tail of it"...), 1500, ErrCorrupt},
		)
		if coding != "zstd" { // an empty text is no frame at all, which the format allows
			rows = append(rows, row{coding + " empty", coding, nil, 1500, ErrCorrupt})
		}
	}
	for _, r := range rows {
		if got, err := Decompress(r.header, r.text, r.max); !errors.Is(err, r.want) {
			t.Errorf("%s: %d bytes and %v, want %v", r.name, len(got), err, r.want)
		}
	}
}

// A text that grows a thousandfold on each of three steps costs no more than the limit allows.
func TestDecompressionBombs(t *testing.T) {
	zeros := make([]byte, 16<<20)
	for coding := range writers {
		bomb := compress(t, zeros, coding)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Decompress(coding, bomb, 1<<20); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want %v", coding, err, ErrTooLarge)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 24<<20 {
			t.Errorf("%s: %d bytes allocated", coding, n)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for coding := range writers {
		f.Add(coding, compress(f, []byte(`{"a":1}`), coding))
	}
	f.Add("gzip, br", compress(f, []byte(`{"a":1}`), "gzip", "br"))
	f.Fuzz(func(t *testing.T, coding string, text []byte) {
		const limit = 1 << 16
		plain, err := Decompress(coding, text, limit)
		if err == nil && len(plain) > limit {
			t.Errorf("%d bytes, over the limit", len(plain))
		}
		if err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrCoding) && !errors.Is(err, ErrCorrupt) {
			t.Errorf("an error of no kind: %v", err)
		}
	})
}
