package cli

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/outboxworker/cli/doctor"
)

// A list of any length is written page by page.
func TestPagesAreWrittenAsTheyAreRead(t *testing.T) {
	for _, form := range []string{formTable, formJSON, formNDJSON} {
		var out bytes.Buffer
		o := &operation{process: Process{Out: &out, Err: new(bytes.Buffer)}, output: form}
		pages := 0
		err := showPages(o, []column[int]{{"N", func(n *int) string { return strconv.Itoa(*n) }}, {"M", func(*int) string { return "" }}}, func(string, int) ([]int, string, error) {
			if pages++; pages > 2 {
				return nil, "", errors.New("the server went away")
			}
			if written := strings.Count(out.String(), "7"); written != pages-1 {
				t.Errorf("%s: %d rows are written before page %d", form, written, pages)
			}
			return []int{7}, "more", nil
		})
		if err == nil || err.Error() != "the server went away" {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// An error of several lines stays in its column, and moves no cursor.
func TestFindingsOfSeveralLines(t *testing.T) {
	var out bytes.Buffer
	err := writeFindings(&out, []doctor.Finding{{Check: "connection", Level: doctor.Error, Text: "failed to connect:\n\t127.0.0.1: refused\x1b[2J", Fix: "start it"}})
	want := "error  -  connection  failed to connect:\n                      127.0.0.1: refused\\x1b[2J\n                      fix: start it\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out.String(), want)
	}
}
