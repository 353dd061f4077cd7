package cli

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A key in a table can be put into a command line as it stands there: the shell makes the
// key of it again.
func TestWordsAreWhatAShellReads(t *testing.T) {
	for _, key := range []string{
		"order-1", "", " ", "it's", `a"b`, "$HOME", "`id`", "a;b", `C:\temp`, "*", "~", "-n", "!x", "a\tb", "a\nb", "a\\nb'\n", "\x1b[31mred", "\xff\xfe",
		"kücheneß", "a\u00a0b", "\u202eabc", "#1", "a=b", "{a,b}",
	} {
		shown := word(key)
		if printable(shown) != shown {
			t.Errorf("%q is shown as %q, which a terminal does not show", key, shown)
		}
		command := exec.CommandContext(t.Context(), "bash", "-c", "printf %s "+shown)
		command.Env = []string{"LC_ALL=C.UTF-8", "HOME=/nowhere"}
		if strings.HasPrefix(key, "-") {
			command.Args[2] = "printf -- " + shown
		}
		out, err := command.CombinedOutput()
		if err != nil || string(out) != key {
			t.Errorf("%q is shown as %s, of which the shell makes %q, %v", key, shown, out, err)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain ß": "plain ß", "a\nb": `a\nb`, "\x1b[2J": `\x1b[2J`, "\xff": `\xff`, "\u202ex": `\u202ex`, "\x00": `\x00`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	long := strings.Repeat("ß", 500)
	if got := []rune(short(long)); len(got) != errorCut || got[errorCut-1] != '…' {
		t.Errorf("%d characters: %s", len(got), string(got))
	}
}

func TestPastTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"":                          "",
		"2h":                        "2026-03-01T10:00:00Z",
		"90s":                       "2026-03-01T11:58:30Z",
		"7d":                        "2026-02-22T12:00:00Z",
		"2026-01-31T09:00:00+01:00": "2026-01-31T08:00:00Z",
		"-2h":                       "error", "7": "error", "d": "error", "2026-01-31": "error", "99999999d": "error",
	} {
		got, err := pastTime("since", text, now)
		if text := stamp(got); err != nil && want != "error" || err == nil && text != want {
			t.Errorf("%q is %s, %v; want %s", text, text, err, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536 << 10: "1.5 MiB", 3 << 40: "3.0 TiB", 5000 << 40: "5000.0 TiB"} {
		if got := sizeText(bytes); got != want {
			t.Errorf("%d is %s, want %s", bytes, got, want)
		}
	}
}
