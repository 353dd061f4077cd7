package contractdiff

import (
	"os"
	"slices"
	"testing"
	"time"
)

// disagreement is one finding of a judge about an exchange that another judge accepts.
type disagreement struct {
	finding
	x *exchange
}

// cause is why kin-openapi or libopenapi-validator and weir disagree, and why weir is right.
type cause struct {
	of      string // kin, pb33f, or both
	refuses string // weir, or other
	what    string // the case, and what the other makes of it
	rule    string // why weir is right
	fits    func(d disagreement) bool
	soak    bool // only the whole corpus has a case
}

const (
	kin   = "kin"
	pb33f = "pb33f"
	both  = "both"
	weir  = "weir"
	other = "other"
)

// comparison compares verdicts and counts which causes were needed.
type comparison struct {
	t      testing.TB
	needed map[int]map[string]int // by index of causes, by judge
	cases  int
	agreed int
	good   int // that all three accept
	spent  [3]time.Duration
	failed map[string]int
}

func newComparison(t testing.TB) *comparison {
	return &comparison{t: t, needed: make(map[int]map[string]int), failed: make(map[string]int)}
}

// compare judges an exchange by all three.
func (c *comparison) compare(x *exchange) { c.compareWith(x, kin, pb33f) }

// compareWith judges an exchange. Whatever is held against an exchange that another accepts needs a cause.
func (c *comparison) compareWith(x *exchange, rivals ...string) {
	ours := c.judge(0, x.document.weir, x)
	if alone := x.document.engineOnly.judge(x); !slices.Equal(ours, alone) {
		c.t.Errorf("with programs and without, weir finds different things in this: %v, and %v\n\t%v", ours, alone, x)
	}
	agreed := true
	for i, rival := range []struct {
		name  string
		judge judge
	}{{kin, x.document.kin}, {pb33f, x.document.pb}} {
		if !slices.Contains(rivals, rival.name) {
			continue
		}
		theirs := c.judge(i+1, rival.judge, x)
		if (len(ours) == 0) == (len(theirs) == 0) {
			continue
		}
		agreed = false
		refuses, findings := weir, ours
		if len(ours) == 0 {
			refuses, findings = other, theirs
		}
		for _, f := range findings {
			c.explain(rival.name, refuses, disagreement{f, x})
		}
	}
	c.cases++
	if agreed {
		c.agreed++
		if len(ours) == 0 {
			c.good++
		}
	}
}

func (c *comparison) judge(i int, j judge, x *exchange) []finding {
	begun := time.Now()
	defer func() { c.spent[i] += time.Since(begun) }()
	return j.judge(x)
}

func (c *comparison) explain(of, refuses string, d disagreement) {
	for i, cause := range causes {
		if (cause.of == both || cause.of == of) && cause.refuses == refuses && cause.fits(d) {
			if c.needed[i] == nil {
				c.needed[i] = make(map[string]int)
			}
			c.needed[i][of]++
			return
		}
	}
	kind := of + refuses + d.in + d.code
	if c.failed[kind]++; c.failed[kind] <= 5 { // enough to see what it is
		c.t.Errorf("nothing explains why weir and %s disagree on this, which is refused by %s: %v\n\t%v", of, refuses,
			d.finding, d.x)
	}
}

// allNeeded fails for causes that no case needs.
func (c *comparison) allNeeded(soak bool) {
	for i, cause := range causes {
		rivals := []string{cause.of}
		if cause.of == both {
			rivals = []string{kin, pb33f}
		}
		for _, rival := range rivals {
			if c.needed[i][rival] == 0 && (soak || !cause.soak) {
				c.t.Errorf("no case needs this cause any more (%s, refused by %s): %s", rival, cause.refuses, cause.what)
			}
		}
	}
}

var sharedDocuments = []string{"petstore-expanded-3.0.yaml", "adyen-checkout-3.1.json", "box-3.0.json"}

func TestCorpus(t *testing.T) { compareCorpora(t, sampled, false) }

// TestSoakCorpus compares many times as many exchanges.
func TestSoakCorpus(t *testing.T) {
	if os.Getenv("WEIR_SOAK") == "" {
		t.Skip("runs for minutes; its short form runs always: WEIR_SOAK=1 runs this one")
	}
	compareCorpora(t, whole, true)
}

func compareCorpora(t *testing.T, n size, soak bool) {
	total := newComparison(t)
	specimens := []*specimen{load(t, "shop30.yaml", []byte(shop30)), load(t, "shop31.yaml", []byte(shop31))}
	for _, name := range sharedDocuments {
		specimens = append(specimens, shared(t, name))
	}
	for _, s := range specimens {
		before, name, n := *total, s.name, n
		if len(s.doc.Paths.Map()) < 10 {
			n = small
		}
		s.corpus(n, total.compare)
		cases, agreed, good := total.cases-before.cases, total.agreed-before.agreed, total.good-before.good
		t.Logf("%s: %d exchanges, of which all three accept %d and refuse %d; %d disagreements", name, cases, good,
			agreed-good, cases-agreed)
		if good*20 < cases || agreed*2 < cases {
			t.Errorf("%s: the corpus is not worth much", name)
		}
	}
	t.Logf("time in weir, kin-openapi and libopenapi-validator: %v", total.spent)
	for i, cause := range causes {
		t.Logf("%v: refused by %s: %s", total.needed[i], cause.refuses, cause.what)
	}
	if !t.Failed() {
		total.allNeeded(soak)
	}
}
