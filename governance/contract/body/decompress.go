package body

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// The errors of Decompress.
var (
	ErrTooLarge = errors.New("the decompressed body is over the limit")
	ErrCoding   = errors.New("unsupported content coding; supported are gzip, deflate, zstd and br, at most 3 of them")
	ErrCorrupt  = errors.New("the body is not what its Content-Encoding says")
)

const (
	// maxCodings bounds the work that a chain of codings costs, each of which may expand the text to the limit.
	maxCodings = 3
	// maxWindow is what RFC 9659 allows for the content coding zstd.
	maxWindow = 8 << 20
)

// Decompress takes off the codings of a Content-Encoding header ("gzip", or "gzip, br", of which the last was applied
// last: RFC 9110 section 8.4) and gives back at most max bytes; more, also between two codings, is [ErrTooLarge].
// "identity" and "" leave the text as it is. Bytes behind the end of a compressed text are [ErrCorrupt], since the one
// who reads it next may see more in them than this did.
//
// Besides the result, a call holds at most the window of its coding: 32 KiB for gzip and deflate, 8 MiB for zstd,
// 16 MiB for br.
func Decompress(coding string, text []byte, max int64) ([]byte, error) {
	codings, err := parseCodings(coding)
	if err != nil {
		return nil, err
	}
	for i := len(codings) - 1; i >= 0; i-- {
		if text, err = codings[i](text, max); err != nil {
			return nil, err
		}
	}
	if int64(len(text)) > max {
		return nil, ErrTooLarge
	}
	return text, nil
}

type decompressor func(text []byte, max int64) ([]byte, error)

func parseCodings(header string) ([]decompressor, error) {
	var chain []decompressor
	for name := range strings.SplitSeq(header, ",") {
		switch name = strings.ToLower(strings.Trim(name, " \t")); name {
		case "", "identity":
		case "gzip", "x-gzip":
			chain = append(chain, gunzip)
		case "deflate":
			chain = append(chain, inflate)
		case "zstd":
			chain = append(chain, unzstd)
		case "br":
			chain = append(chain, unbrotli)
		default:
			return nil, ErrCoding
		}
	}
	if len(chain) > maxCodings {
		return nil, ErrCoding
	}
	return chain, nil
}

func gunzip(text []byte, max int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, ErrCorrupt
	}
	return readAtMost(r, max)
}

// inflate reads the zlib format, which is what RFC 9110 section 8.4.1.2 calls deflate.
func inflate(text []byte, max int64) ([]byte, error) {
	rest := bytes.NewReader(text)
	r, err := zlib.NewReader(rest)
	if err != nil {
		return nil, ErrCorrupt
	}
	plain, err := readAtMost(r, max)
	if err == nil && rest.Len() > 0 {
		return nil, ErrCorrupt
	}
	return plain, err
}

// zstdDecoders keeps decoders, whose tables are large and whose making is most of the work for a small body.
var zstdDecoders = sync.Pool{New: func() any {
	// An error could only come from the options, which are constant.
	d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	return d
}}

func unzstd(text []byte, max int64) ([]byte, error) {
	d := zstdDecoders.Get().(*zstd.Decoder)
	defer func() {
		if d.Reset(nil) == nil {
			zstdDecoders.Put(d)
		}
	}()
	if err := d.Reset(bytes.NewReader(text)); err != nil {
		return nil, ErrCorrupt
	}
	return readAtMost(d, max)
}

func unbrotli(text []byte, max int64) ([]byte, error) {
	rest := bytes.NewReader(text)
	plain, err := readAtMost(brotli.NewReader(rest), max)
	if err == nil && rest.Len() > 0 {
		return nil, ErrCorrupt
	}
	return plain, err
}

func readAtMost(r io.Reader, max int64) ([]byte, error) {
	plain, err := io.ReadAll(io.LimitReader(r, max+1))
	switch {
	case int64(len(plain)) > max:
		return nil, ErrTooLarge
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, ErrTooLarge
	case err != nil:
		return nil, ErrCorrupt
	}
	return plain, nil
}
