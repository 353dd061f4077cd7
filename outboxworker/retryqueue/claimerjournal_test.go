package retryqueue

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A journal is a file to which claimers in processes of their own append what they do, a
// write each, so that a killed one leaves no half of it:
//
//	claim <id> <end of the lease> <late in ms>
//	end <done or return> <id> <end of the lease> <when>      before the call
//	ended <done or return> <id> <end of the lease> <lost>    after it
//
// Times are in µs. Those of leases are the server's, and so is when, as both are on one
// machine.
type journal struct{ file *os.File }

func (j journal) claimed(claims []Claim) error {
	var text strings.Builder
	for _, c := range claims {
		fmt.Fprintf(&text, "claim %d %d %d\n", c.ID, c.ends, c.Late.Milliseconds())
	}
	_, err := j.file.WriteString(text.String())
	return err
}

func (j journal) ending(c Claim, how string) error {
	_, err := fmt.Fprintf(j.file, "end %s %d %d %d\n", how, c.ID, c.ends, time.Now().UnixMicro())
	return err
}

func (j journal) ended(c Claim, how string, lost int) error {
	_, err := fmt.Fprintf(j.file, "ended %s %d %d %d\n", how, c.ID, c.ends, lost)
	return err
}

// noted is what the journal says of one claim.
type noted struct {
	start, ends int64         // of the lease
	late        time.Duration // as the server said
	// how is done or return when its owner called that, at that time; "" if it never did.
	how string
	at  int64
	// answered is true if the owner lived to hear how the call went, and lost if
	// the lease was not its own any more.
	answered, lost bool
}

// runsOut tells whether the lease is known to have run to its end.
func (n *noted) runsOut() bool { return n.how == "" || n.answered && n.lost }

// readJournal returns the claims of each id in the order of their leases.
func readJournal(t *testing.T, file string, lease time.Duration) map[int64][]*noted {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type key struct{ id, ends int64 }
	all := make(map[key]*noted)
	byID := make(map[int64][]*noted)
	for line := range strings.Lines(string(text)) {
		var how string
		var k key
		var number int64
		what, rest, _ := strings.Cut(line, " ")
		if what == "claim" {
			_, err = fmt.Sscan(rest, &k.id, &k.ends, &number)
			all[k] = &noted{start: k.ends - lease.Microseconds(), ends: k.ends, late: time.Duration(number) * time.Millisecond}
			byID[k.id] = append(byID[k.id], all[k])
		} else {
			_, err = fmt.Sscan(rest, &how, &k.id, &k.ends, &number)
		}
		n := all[k]
		if err != nil || n == nil {
			t.Fatalf("the journal has the line %q: %v", line, err)
		}
		switch what {
		case "end":
			n.how, n.at = how, number
		case "ended":
			n.answered, n.lost = true, number > 0
		}
	}
	for _, claims := range byID {
		slices.SortFunc(claims, func(a, b *noted) int { return int(a.ends - b.ends) })
	}
	return byID
}

// found is what is wrong in a journal, and how leases of the dead came back.
type found struct {
	lost, twice, again, wrongLate int
	// abandoned is how many leases ran to their end, and slowest the longest time from
	// the end of one to the next claim.
	abandoned int
	slowest   time.Duration
}

// judge checks the claims of one id, which is not in the queue any more.
func (f *found) judge(claims []*noted, lease time.Duration) {
	if len(claims) == 0 {
		f.lost++
		return
	}
	for i, n := range claims[:len(claims)-1] {
		next := claims[i+1]
		switch {
		case n.how == "done" && n.answered && !n.lost:
			f.again++ // though it was done with
		case next.start >= n.ends:
			// A claimer that was killed before it wrote anything may have had it in between.
			since := time.Duration(next.start-n.ends) * time.Microsecond
			if n.runsOut() {
				f.abandoned++
				f.slowest = max(f.slowest, next.late)
				if next.late < since-2*time.Millisecond && since < lease {
					f.wrongLate++
				}
			}
		case n.how != "return" || n.runsOut() || next.start < n.at:
			f.twice++ // while the lease held and was not returned
		}
	}
	if last := claims[len(claims)-1]; last.how != "done" || last.runsOut() {
		f.lost++
	}
}

// The judge finds what it is for.
func TestJudge(t *testing.T) {
	claim := func(start int64, how string, at int64, lost bool) *noted {
		return &noted{start: start, ends: start + 100, how: how, at: at, answered: how != "", lost: lost}
	}
	for name, c := range map[string]struct {
		claims []*noted
		want   found
	}{
		"fine":              {[]*noted{claim(0, "return", 50, false), claim(60, "done", 70, false)}, found{}},
		"never claimed":     {nil, found{lost: 1}},
		"gone unfinished":   {[]*noted{claim(0, "", 0, false)}, found{lost: 1}},
		"back after a kill": {[]*noted{claim(0, "", 0, false), claim(100, "done", 110, false)}, found{abandoned: 1}},
		"held by two":       {[]*noted{claim(0, "", 0, false), claim(99, "done", 110, false)}, found{twice: 1}},
		"too soon":          {[]*noted{claim(0, "return", 50, false), claim(49, "done", 70, false)}, found{twice: 1}},
		"done twice":        {[]*noted{claim(0, "done", 50, false), claim(120, "done", 130, false)}, found{again: 1}},
	} {
		var got found
		got.judge(c.claims, lease)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
