package document

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Place is a position in a file. Line and Column count from 1, in characters; 0 is unknown.
type Place struct {
	File         string // the file's URL
	Line, Column int
}

// String is file:line:column, as editors understand it: a file URL is shown as its path.
func (p Place) String() string {
	name := p.File
	if u, err := url.Parse(name); err == nil && u.Scheme == "file" {
		name = u.Path
	}
	if p.Line == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d:%d", name, p.Line, p.Column)
}

// Error says what is wrong with a document, where, and how to mend it.
type Error struct {
	Place
	Pointer string // JSON pointer (RFC 6901) into the file; "" is the whole
	Reason  string
	cause   error
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return e.Place.String() + ": " + e.Reason
	}
	pointer := "#" + e.Pointer
	if tail := len(pointer) - maxPointer; tail > 0 {
		pointer = "…" + strings.ToValidUTF8(pointer[tail:], "")
	}
	return e.Place.String() + ": " + e.Reason + " (at " + pointer + ")"
}

// maxPointer is how much of a pointer is shown, in bytes.
const maxPointer = 300

// Unwrap is what Source.Read returned, if that is the cause.
func (e *Error) Unwrap() error { return e.cause }

// Place is where "<file>#<JSON pointer>" stands: the member of an object with its name, the item of an array, or
// what is nearest around it if there is no such value. It looks into the file's text, so it is for errors and notes.
func (d *Document) Place(location string) Place {
	name, pointer, _ := strings.Cut(location, "#")
	f := d.files[name]
	if f == nil {
		return Place{File: name}
	}
	return f.place(pointer)
}

// maxErrors is how many errors are told of one document.
const maxErrors = 20

// errorList collects the errors of a document.
type errorList struct {
	errors []*Error
	left   int // not told
}

func (l *errorList) add(e *Error) {
	if len(l.errors) >= maxErrors {
		l.left++
		return
	}
	l.errors = append(l.errors, e)
}

// err joins the errors in the order of their places; nil if there is none.
func (l *errorList) err() error {
	slices.SortStableFunc(l.errors, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	switch {
	case len(l.errors) == 0:
		return nil
	case len(l.errors) == 1 && l.left == 0:
		return l.errors[0]
	}
	all := make([]error, 0, len(l.errors)+1)
	for _, e := range l.errors {
		all = append(all, e)
	}
	if l.left > 0 {
		all = append(all, &Error{Place: Place{File: l.errors[0].File}, Reason: fmt.Sprintf("and %d more errors", l.left)})
	}
	return errors.Join(all...)
}
