package outbox

// operations_test.go lives the day that docs/operations.md tells: each command of its
// console blocks is typed into a shell, and must say what the page says.

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration"
)

// operationsPage is docs/operations.md.
func operationsPage(t testing.TB) string {
	t.Helper()
	root, err := integration.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// hour is a section of the day: what happens before it, and whether the outbox comes to
// rest between its commands.
type hour struct {
	title   string
	happens func(*day)
	rests   bool
}

var hours = []hour{
	{"08:00 All is well", (*day).morning, true},
	{"10:12 The receiver fails", (*day).fails, false},
	{"10:13 It is not there", (*day).vanishes, false},
	{"10:14 It is back", (*day).recovers, true},
	{"14:30 It refuses", (*day).refuses, true},
	{"14:50 It is mended", (*day).mended, true},
	{"15:10 One that will never go", (*day).nothing, true},
	{"16:00 A key that waits", (*day).locks, true},
	{"18:00 The receiver moves", (*day).nothing, true},
	{"18:05 While it moves, and after", (*day).meanwhile, false},
	{"19:00 Before going home", (*day).rest, true},
}

// Times are shorter than the page says: the outage is longer than the schedule of
// retries all the same.
func TestADayInOperation(t *testing.T) {
	t.Parallel()
	// On a busy machine the third of three that fail may come half a second after the first,
	// which must not be tried again by then.
	liveADay(t, 8*time.Second, "RETRY_BASE=1s", "RETRY_CAP=1s", "OUTAGE_BASE=50ms", "OUTAGE_CAP=200ms")
}

// With the waits of the page, and an outage of two minutes.
func TestSoakADayInOperation(t *testing.T) {
	soak(t)
	liveADay(t, 2*time.Minute)
}

func liveADay(t *testing.T, outage time.Duration, shorter ...string) {
	page := operationsPage(t)
	d := newDay(t, page, outage, shorter)
	told := sections(page, "A day")
	var ours, theirs []string
	for _, h := range hours {
		ours = append(ours, h.title)
	}
	for _, s := range told {
		theirs = append(theirs, s.title)
	}
	if !slices.Equal(ours, theirs) {
		t.Fatalf("the page tells of %q, the test of %q", theirs, ours)
	}
	for i, h := range hours {
		h.happens(d)
		commands := commandsOf(told[i].text)
		if len(commands) == 0 {
			t.Errorf("%s: there are no commands", h.title)
		}
		for _, c := range commands {
			d.types(h.title, c)
			if h.rests {
				d.rest()
			}
		}
	}
	d.worker.terminate()
	d.everything()
}

// section is a part of a page.
type section struct{ title, text string }

// sections are those under a heading of the page.
func sections(page, heading string) (all []section) {
	_, text, _ := strings.Cut(page, "\n## "+heading+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for _, part := range strings.Split("\n"+text, "\n### ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		all = append(all, section{title, text})
	}
	return all
}

// typed is a command of the page and what it says.
type typed struct{ command, says string }

// commandsOf are those of a section's console blocks.
func commandsOf(text string) (all []typed) {
	for _, block := range blocks(text, "console") {
		for line := range strings.Lines(block) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, typed{command: strings.TrimSpace(command)})
			} else if last := len(all) - 1; last >= 0 {
				all[last].says += line
			}
		}
	}
	return all
}

// blocks are the code blocks of a language.
func blocks(text, language string) (all []string) {
	for _, part := range strings.Split(text, "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		all = append(all, block+"\n")
	}
	return all
}

// types types a command into a shell, and compares what it says.
func (d *day) types(title string, c typed) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", c.command)
	shell.Dir, shell.Env = d.folder, d.environment
	out, err := shell.CombinedOutput()
	text := d.local.Replace(string(out))
	if err != nil {
		d.Errorf("%s: $ %s\nends with %v", title, c.command, err)
	}
	if got, want := alike(text), alike(c.says); got != want {
		d.Errorf("%s: $ %s\nsays\n%s\nand not, as the page has it,\n%s", title, c.command, text, c.says)
	}
}

// varies is what differs from one day to the next.
var varies = []struct {
	pattern *regexp.Regexp
	as      string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "<time>"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "<id>"},
	{regexp.MustCompile(`\d+(\.\d)? (B|KiB|MiB)\b`), "<size>"},
	{regexp.MustCompile(`(the first by) [0-9hms.]+`), "$1 <duration>"},
	{regexp.MustCompile(` {2,}`), "  "}, // columns are as wide as what is in them
	{regexp.MustCompile(` +\n`), "\n"},
}

// alike is what two outputs have in common that say the same.
func alike(text string) string {
	for _, v := range varies {
		text = v.pattern.ReplaceAllString(text, v.as)
	}
	return strings.TrimSpace(text)
}

// The page has each alert there is, and no other.
func TestThePageHasEveryAlert(t *testing.T) {
	t.Parallel()
	root, err := integration.Root()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(filepath.Join(root, "monitoring", "outbox.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	there := find(string(rules), `(?m)^ +- alert: (\w+)$`)
	told := find(operationsPage(t), "(?m)^\\| `(Outbox\\w+)` \\|")
	if len(there) == 0 || !slices.Equal(there, told) {
		t.Errorf("the rules have the alerts %q, the page %q", there, told)
	}
}

// find returns what the group of a pattern matches.
func find(text, pattern string) (all []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

func TestOutputsAreCompared(t *testing.T) {
	t.Parallel()
	one := "AT                    KEY\n2026-11-26T01:02:03Z  customer-1  \n"
	for _, same := range []string{one, "AT  KEY\n2020-01-01T00:00:00Z   customer-1\n"} {
		if alike(same) != alike(one) {
			t.Errorf("%q is not alike %q", same, one)
		}
	}
	for _, other := range []string{"", "AT  KEY\n2020-01-01T00:00:00Z  customer-2\n", one + "more", "AT  KEY\n-  customer-1"} {
		if alike(other) == alike(one) {
			t.Errorf("%q is alike %q", other, one)
		}
	}
}
