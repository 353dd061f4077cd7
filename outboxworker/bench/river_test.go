package bench

import (
	"strings"
	"testing"
)

const riverLine = "bench: jobs worked [ 1 ], inserted [ 5 ], job/sec [ 0.5 ] [2s]\n" +
	"bench: total jobs worked [        600 ], total jobs inserted [        600 ], overall job/sec [    37716.3 ], running 15.9ms\n"

func TestReadRiver(t *testing.T) {
	t.Parallel()
	r, err := readRiver([]byte(riverLine), 600)
	if err != nil || r.messages != 600 || r.rate() < 37716 || r.rate() > 37717 {
		t.Errorf("the report is %+v at %v/s, %v", r, r.rate(), err)
	}
	for want, out := range map[string]string{
		"it has no line":        "bench: jobs worked",
		"it worked 599 of 600 ": strings.ReplaceAll(riverLine, "600", "599"),
		"is no rate":            strings.Replace(riverLine, "37716.3", "0", 1),
	} {
		if _, err := readRiver([]byte(out), 600); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestRiverIsMeasuredBesideTheRelay(t *testing.T) {
	o := small(t)
	o.Sinks, o.Messages = []string{Null}, 600
	script := `test "$1 $2" = "--num-total-jobs 600" && case "$DATABASE_URL" in */weir_bench_river*) printf '` + riverLine + `' ;; *) exit 1 ;; esac`
	o.River = []string{"sh", "-c", script, "river"}
	rows := run(t, o)
	wantRows(t, rows, "null null", "river river")
	if rows[0].Ratios[River] <= 0 {
		t.Errorf("the ratios are %v", rows[0].Ratios)
	}
	o.River = []string{"sh", "-c", "echo broken >&2; exit 3"}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a command that fails: %v", err)
	}
}
