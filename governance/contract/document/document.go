// Package document loads an OpenAPI description: it reads and resolves all of its files, checks them and gives
// access to their raw values.
//
// The package depends on kin-openapi, which judges whether the description is a correct OpenAPI 3.0 or 3.1
// document, on go.yaml.in/yaml/v3, which reads YAML with positions, and on the packages schema and strictjson
// beside it.
package document

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// Source is what Load reads.
type Source struct {
	// Location is an absolute URL: file:///etc/weir/petstore.yaml, https://..., or weir:pushed/<name> for a
	// document that has no place. Relative references are resolved against it.
	Location string

	// Data is the document itself, YAML or JSON. Its size is the caller's to limit.
	Data []byte

	// Read reads the files that external references name. Which ones may be read is its decision: see
	// FolderOnly and AllowHosts. Nil refuses all.
	Read Read
}

// Document is a description that has been loaded and checked. It does not change. It holds the raw values and the
// texts of its files.
type Document struct {
	root    *file
	version string
	dialect schema.Dialect
	files   map[string]*file // by location
	trees   schema.Files
	links   map[spot]spot // from objects with a $ref to what it refers to
}

// Version is the value of the field openapi, e.g. "3.0.3".
func (d *Document) Version() string { return d.version }

// Dialect is the dialect of the document's schemas.
func (d *Document) Dialect() schema.Dialect { return d.dialect }

// Files are the raw trees of all files, by location. They must not be changed.
func (d *Document) Files() schema.Files { return d.trees }

// Locations are the URLs of all files that were read, sorted: what to watch.
func (d *Document) Locations() []string { return sortedKeys(d.files) }

// Hash is the SHA-256 of the file's contents, in hexadecimal, or if there are several, of their SHA-256 in a row, the
// document itself first and the others in the order of their locations. A leading byte order mark does not count.
func (d *Document) Hash() string {
	sum := sha256.Sum256(d.root.text)
	if len(d.files) == 1 {
		return hex.EncodeToString(sum[:])
	}
	all := sum[:]
	for _, location := range d.Locations() {
		if f := d.files[location]; f != d.root {
			sum := sha256.Sum256(f.text)
			all = append(all, sum[:]...)
		}
	}
	sum = sha256.Sum256(all)
	return hex.EncodeToString(sum[:])
}

// Root is the OpenAPI Object.
func (d *Document) Root() Node { return Node{d, spot{d.root, ""}, d.root.tree, true} }

// Load parses the source, reads and resolves what it refers to, and checks the whole. Every error is an *Error, or
// several of them joined, each with its place and how to mend it. Errors of Source.Read can be found in them.
func Load(ctx context.Context, s Source) (*Document, error) {
	location, err := url.Parse(s.Location)
	if err != nil || location.Scheme == "" {
		return nil, &Error{Place: Place{File: s.Location}, Reason: "the location of a document must be an absolute URL"}
	}
	location.Fragment, location.RawFragment, location.OmitHost = "", "", false
	root, fault := parse(location, s.Data)
	if fault != nil {
		return nil, fault
	}
	version, dialect, fault := version(root)
	if fault != nil {
		return nil, fault
	}
	r := newResolver(ctx, root, s.Read, dialect)
	r.run(root)
	if err := r.errors.err(); err != nil {
		return nil, err
	}
	r.check(root)
	if err := r.errors.err(); err != nil {
		return nil, err
	}
	d := &Document{
		root: root, version: version, dialect: dialect,
		files: r.files, trees: make(schema.Files, len(r.files)), links: r.links,
	}
	for location, f := range r.files {
		d.trees[location] = f.tree
	}
	return d, nil
}
