package relay

// full_test.go: a database that removes rows but takes no new ones, as when its disk is full.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// refuses has inserts into a table fail with an error of this code.
func (f *fixture) refuses(table, code string) {
	f.Helper()
	f.Exec(fmt.Sprintf(`CREATE FUNCTION %[1]s_fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		RAISE 'it fails' USING ERRCODE = '%[2]s'; END $$`, table, code))
	f.Exec(fmt.Sprintf("CREATE TRIGGER fails BEFORE INSERT ON outbox.%[1]s FOR EACH ROW EXECUTE FUNCTION %[1]s_fails()", table))
}

// sentTwice returns the messages that were sent more than once.
func sentTwice(r *receiver) []string {
	var seen, twice []string
	for _, m := range r.Taken() {
		text := string(m.Payload)
		if slices.Contains(seen, text) {
			twice = append(twice, text)
		}
		seen = append(seen, text)
	}
	return twice
}

// What cannot be moved, since there is no room for it, keeps nothing else from being removed:
// the rest of its batch would be sent again and again.
func TestAFullDiskKeepsNobodyElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.refuses("deferred", "53100")
	r := new(receiver)
	r.Set(func(m *sink.Message) sink.Result {
		if m.Key == "refused" {
			return refuse(errNo)
		}
		return sink.Result{Outcome: sink.Delivered}
	})
	for i := range 100 {
		f.Enqueue(fmt.Sprint("k", i%10), fmt.Sprint(i))
	}
	f.Enqueue("refused", "first", "second")
	f.start(r, func(s *Settings) { s.Workers = 1 })
	f.Eventually("2 pending, 0 deferred, 0 dead", f.Places)
	f.Eventually("true", func() string { return fmt.Sprint(strings.Count(r.Tried("refused"), "first") > 3) })
	f.Exec("DROP TRIGGER fails ON outbox.deferred")
	r.Set(nil)
	f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
	if twice := sentTwice(r); len(twice) > 0 || r.Texts("refused") != "first second" {
		t.Errorf("sent more than once: %q; of the refused key: %q", twice, r.Texts("refused"))
	}
}

// Whatever the reason is for which notes cannot be made: it costs the notes alone.
func TestNotesThatHaveNoRoomStopNothing(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"53100", "P0001", "XX001"} {
		t.Run(code, func(t *testing.T) {
			f := newFixture(t)
			f.refuses("delivered", code)
			r := new(receiver)
			r.Set(func(m *sink.Message) sink.Result {
				if m.Attempt == 1 && m.Key == "waits" {
					return refuse(errNo)
				}
				return sink.Result{Outcome: sink.Delivered}
			})
			f.Enqueue("k", "1", "2", "3")
			f.Enqueue("waits", "4")
			f.start(r, keeping)
			f.Eventually("0 pending, 0 deferred, 0 dead", f.Places)
			if twice := sentTwice(r); len(twice) > 0 {
				t.Errorf("sent more than once: %q", twice)
			}
		})
	}
}
