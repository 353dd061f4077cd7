package localserver

// log.go reads the end of a server's log, which says more than any error about it.

import (
	"io"
	"os"
	"strings"
)

// tailBytes bounds what an error quotes.
const tailBytes = 4 << 10

// tail returns the end of a file, in whole lines, but nothing from before offset
// from.
func tail(file string, from int64) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	cut := info.Size()-from > tailBytes
	if cut {
		from = info.Size() - tailBytes
	}
	content, err := io.ReadAll(io.NewSectionReader(f, from, tailBytes))
	if err != nil {
		return ""
	}
	text := string(content)
	if _, rest, ok := strings.Cut(text, "\n"); cut && ok {
		text = rest
	}
	return strings.TrimSpace(text)
}
