package outbox

import (
	"strings"
	"testing"
)

// sound is evidence with which nothing is wrong: a:1 was repeated once, b:1 refused and
// accepted later, b:2 died of what the test did.
func sound() *evidence {
	return &evidence{
		committed: []message{{"a", 1}, {"b", 1}, {"a", 2}, {"b", 2}, {"b", 3}, {"loose", 1}, {"loose", 2}},
		arrived: []arrival{
			{message{"a", 1}, true}, {message{"b", 1}, false}, {message{"loose", 2}, true}, {message{"a", 2}, true},
			{message{"a", 1}, true}, {message{"b", 1}, true}, {message{"b", 2}, false}, {message{"b", 3}, true},
			{message{"loose", 1}, true},
		},
		dead:       []dead{{message{"b", 2}, "exhausted", 4, "status 500"}},
		attempts:   4,
		mayDie:     func(d dead) bool { return d.message == message{"b", 2} },
		duplicates: 1,
	}
}

func TestSoundEvidenceHasNoProblems(t *testing.T) {
	e := sound()
	if problems := e.problems(); len(problems) > 0 || e.repeats() != 1 {
		t.Errorf("%d repeats, problems: %q", e.repeats(), problems)
	}
}

func TestEvidenceShowsWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*evidence)
		want string
	}{
		{"lost", func(e *evidence) { e.committed = append(e.committed, message{"a", 3}) }, "a:3 was committed and is lost"},
		{"refused only", func(e *evidence) { e.arrived[3].accepted = false }, "a:2 was committed and is lost"},
		{"phantom", func(e *evidence) { e.arrived = append(e.arrived, arrival{message{"c", 1}, true}) }, "c:1 arrived and was never"},
		{"dead phantom", func(e *evidence) { e.dead = append(e.dead, dead{message: message{"c", 1}}) }, "c:1 is dead and was never"},
		{"swap", func(e *evidence) { e.arrived[0], e.arrived[3] = e.arrived[3], e.arrived[0] }, "a:1 was first arrived after 2"},
		{"accepted late", func(e *evidence) { e.arrived[5], e.arrived[7] = e.arrived[7], e.arrived[5] }, "b:1 was first accepted after 3"},
		{"two places", func(e *evidence) { e.deferred = []message{{"b", 2}} }, "b:2 is in several places: [deferred dead]"},
		{"twice in one place", func(e *evidence) { e.dead = append(e.dead, e.dead[0]) }, "b:2 is in several places: [dead dead]"},
		{"left over", func(e *evidence) { e.pending = []message{{"a", 2}} }, "a:2 is still pending"},
		{"left waiting", func(e *evidence) { e.deferred = []message{{"a", 2}} }, "a:2 is still deferred"},
		{"duplicates", func(e *evidence) { e.duplicates = 0 }, "1 messages were delivered once more, at most 0"},
		{"dead and delivered", func(e *evidence) { e.arrived[6].accepted = true }, "2 messages were delivered once more"},
		{"dead too early", func(e *evidence) { e.dead[0].attempts = 3 }, "b:2 is dead after 3 attempts, want 4"},
		{"dead without reason", func(e *evidence) { e.mayDie = nil }, "the test caused no such death"},
	} {
		e := sound()
		test.harm(e)
		if problems := strings.Join(e.problems(), "\n"); !strings.Contains(problems, test.want) {
			t.Errorf("%s: %q is not among the problems:\n%s", test.name, test.want, problems)
		}
	}
}

func TestEvidenceShowsFewProblemsOfAKind(t *testing.T) {
	var e evidence
	for seq := range 100 {
		e.committed = append(e.committed, message{"a", seq + 1})
	}
	problems := e.problems()
	if len(problems) != shown+1 || problems[shown] != "... and 95 more like this" {
		t.Errorf("problems: %q", problems)
	}
}

func TestPayloadsAreRecognised(t *testing.T) {
	for _, m := range []message{{"a1", 1}, {"loose3", 49}, {"with:colon", 50}} {
		payload := m.payload()
		if got, err := parsePayload(payload); err != nil || got != m {
			t.Errorf("%s is read as %s, error %v", m, got, err)
		}
		for _, harmed := range [][]byte{payload[:len(payload)-1], payload[1:], append(payload, 0), nil} {
			if got, err := parsePayload(harmed); err == nil {
				t.Errorf("%q is read as %s", harmed, got)
			}
		}
	}
}
