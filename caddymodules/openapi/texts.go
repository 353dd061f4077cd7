package openapi

// texts.go holds the files of a document, and the form in which they are stored.

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
)

// texts are all files of a document as they were read. Once sealed, they do not change.
type texts struct {
	location string            // of the document itself
	files    map[string][]byte // by location

	// etag and modified are what the server of a URL called the document, for conditional requests.
	etag, modified string

	hash string
}

// seal computes the hash: of a document in one file the SHA-256 of that, as sha256sum shows it; of one in several that of
// their hashes, the document's first, then in the order of locations. Where a document is does not count, so that
// the same one is known as the same from anywhere.
func (x *texts) seal() {
	root := sha256.Sum256(x.files[x.location])
	if len(x.files) > 1 {
		all := sha256.New()
		all.Write(root[:])
		for _, location := range slices.Sorted(maps.Keys(x.files)) {
			if location != x.location {
				one := sha256.Sum256(x.files[location])
				all.Write(one[:])
			}
		}
		all.Sum(root[:0])
	}
	x.hash = hex.EncodeToString(root[:])
}

// place is what the servers of the document are relative to: its own URL, or nothing if it has none.
func (x *texts) place() string {
	if isURL(x.location) {
		return x.location
	}
	return ""
}

func (x *texts) size() (n int64) {
	for _, text := range x.files {
		n += int64(len(text))
	}
	return n
}

// read is a document.Read that knows these texts alone.
func (x *texts) read(_ context.Context, location *url.URL) ([]byte, error) {
	if text, ok := x.files[location.String()]; ok {
		return text, nil
	}
	return nil, fmt.Errorf("%s was not kept with the document", location)
}

// storedTexts are texts as they are stored, compressed: some storages limit the size of a value to less than what large
// documents have.
type storedTexts struct {
	Location string            `json:"location"`
	Files    map[string][]byte `json:"files"`
	ETag     string            `json:"etag,omitempty"`
	Modified string            `json:"last_modified,omitempty"`
}

func (x *texts) stored() storedTexts {
	s := storedTexts{Location: x.location, Files: make(map[string][]byte), ETag: x.etag, Modified: x.modified}
	for location, text := range x.files {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(text) // a Buffer takes everything
		_ = w.Close()
		s.Files[location] = packed.Bytes()
	}
	return s
}

// restored returns the texts, of limit bytes together at most.
func (s storedTexts) restored(limit int64) (*texts, error) {
	x := &texts{location: s.Location, files: make(map[string][]byte), etag: s.ETag, modified: s.Modified}
	for location, packed := range s.Files {
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, fmt.Errorf("the stored text of %s: %w", location, err)
		}
		text, err := io.ReadAll(io.LimitReader(r, limit+1))
		if err != nil {
			return nil, fmt.Errorf("the stored text of %s: %w", location, err)
		}
		x.files[location] = text
	}
	if x.files[x.location] == nil {
		return nil, fmt.Errorf("the stored text of %s is missing", x.location)
	}
	if x.size() > limit {
		return nil, tooLarge(limit)
	}
	x.seal()
	return x, nil
}
