package cli

// output.go writes results in three forms: a table for people, a JSON document, and
// newline-delimited JSON.

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// The forms of output.
const (
	formTable  = "table"
	formJSON   = "json"
	formNDJSON = "ndjson"
)

func outputFlag(command *cobra.Command, output *string) {
	command.Flags().StringVar(output, "output", formTable, "`form` of the output: table, json for one document, or ndjson for an object a line")
}

func checkOutput(output string) error {
	return oneOf("output", output, formTable, formJSON, formNDJSON)
}

// column is a column of a table.
type column[T any] struct {
	name string
	text func(*T) string
}

// listing writes a list: rows of a table, an array, or a line for each.
type listing[T any] struct {
	to      io.Writer
	form    string
	columns []column[T]
	table   *tabwriter.Writer
	n       int // rows so far
}

func newListing[T any](to io.Writer, form string, columns []column[T]) *listing[T] {
	return &listing[T]{to: to, form: form, columns: columns, table: newTable(to)}
}

func newTable(to io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(to, 0, 0, 2, ' ', 0) }

func (l *listing[T]) add(row *T) error {
	l.n++
	switch l.form {
	case formTable:
		return l.line(row)
	case formNDJSON:
		return writeJSON(l.to, row, false)
	default:
		text, err := encoded(row, "  ", "  ")
		if err != nil {
			return err
		}
		before := ",\n  "
		if l.n == 1 {
			before = "[\n  "
		}
		_, err = io.WriteString(l.to, before+text)
		return err
	}
}

// line adds a row to the table, and first of all the names of the columns.
func (l *listing[T]) line(row *T) error {
	cells := make([]string, len(l.columns))
	if l.n == 1 {
		for i, c := range l.columns {
			cells[i] = c.name
		}
		_, _ = fmt.Fprintln(l.table, strings.Join(cells, "\t"))
	}
	for i, c := range l.columns {
		if cells[i] = printable(c.text(row)); cells[i] == "" {
			cells[i] = "-"
		}
	}
	_, err := fmt.Fprintln(l.table, strings.Join(cells, "\t"))
	return err
}

// flush writes what a table has so far.
func (l *listing[T]) flush() error {
	if l.form != formTable {
		return nil
	}
	return l.table.Flush()
}

func (l *listing[T]) end() error {
	switch {
	case l.form == formTable:
		return l.flush()
	case l.form == formNDJSON:
		return nil
	case l.n == 0:
		_, err := io.WriteString(l.to, "[]\n")
		return err
	default:
		_, err := io.WriteString(l.to, "\n]\n")
		return err
	}
}

// writeList writes a list that is there.
func writeList[T any](to io.Writer, form string, columns []column[T], rows []T) error {
	l := newListing(to, form, columns)
	for i := range rows {
		if err := l.add(&rows[i]); err != nil {
			return err
		}
	}
	return l.end()
}

// writeOne writes a single object, which table writes in the form of a table.
func writeOne(to io.Writer, form string, object any, table func(io.Writer) error) error {
	if form == formTable {
		return table(to)
	}
	return writeJSON(to, object, form == formJSON)
}

func writeJSON(to io.Writer, object any, pretty bool) error {
	indent := ""
	if pretty {
		indent = "  "
	}
	text, err := encoded(object, "", indent)
	if err != nil {
		return err
	}
	_, err = io.WriteString(to, text+"\n")
	return err
}

// encoded is json.MarshalIndent without escapes for HTML, which errors often contain.
func encoded(object any, prefix, indent string) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(prefix, indent)
	if err := encoder.Encode(object); err != nil {
		return "", fmt.Errorf("writing JSON: %w", err)
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

// field is a line of a table that shows one object.
type field struct{ name, text string }

// writeFields writes one object as a table of names and what they are.
func writeFields(to io.Writer, fields []field) error {
	table := newTable(to)
	for _, f := range fields {
		if f.text == "" {
			f.text = "-"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\n", printable(f.name), printable(f.text))
	}
	return table.Flush()
}

// errorCut is how much of an error a table shows.
const errorCut = 80

// short is the beginning of a text.
func short(text string) string {
	if utf8.RuneCountInString(text) <= errorCut {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:errorCut-1]), " ") + "…"
}

// printable escapes what would move the cursor of a terminal, or hide.
func printable(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, text[i])
		} else if quoted := strconv.QuoteRune(r); unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// word is a text as one types it in a shell: a key, which may be anything.
func word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	if shown := printable(text); shown != text {
		// bash, ksh and zsh know escapes in such quotes
		return "$'" + printable(strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text)) + "'"
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// optional is a key that may be missing, as one types it.
func optional(key *string) string {
	if key == nil {
		return ""
	}
	return word(*key)
}

// stamp is a time in UTC.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// stampOf is a time that may be missing.
func stampOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

// sizeText is a number of bytes for people.
func sizeText(bytes int64) string {
	size, unit := float64(bytes), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}

// errorText is what a table says of an error.
func errorText(class, text string) string { return short(cmp.Or(text, class)) }
