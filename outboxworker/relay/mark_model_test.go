package relay

// mark_model_test.go checks the low-water mark against a model of PostgreSQL: xids and ids
// that are drawn in order, commits in any order, and snapshots with the end that
// PostgreSQL gives them. Each way of getting it wrong is a variant that must fail.

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// server is the model: transactions write messages of keys under a lock for each key.
type server struct {
	rng       *rand.Rand
	nextXid   uint64
	completed uint64 // the highest xid that has ended
	lastID    int64
	open      []*transaction
	table     []modelRow // committed, in no order
	committed int
	locked    map[int]bool
	// idFirst draws an id before the xid: the wrong order of columns.
	idFirst bool
}

type transaction struct {
	xid     uint64
	drawn   int64 // an id drawn before the xid, or 0
	drawnBy int
	rows    []modelRow
	locks   []int
}

type modelRow struct {
	id  int64
	xid uint64
	key int
}

type snapshot struct {
	xmax    uint64
	running []uint64
}

func newServer(seed uint64) *server {
	return &server{rng: rand.New(rand.NewPCG(seed, 1)), nextXid: 100, completed: 99, locked: make(map[int]bool)}
}

// snapshot is what GetSnapshotData gives: the end is one past the highest xid that has
// ended, and only running transactions before it are listed.
func (s *server) snapshot() snapshot {
	shot := snapshot{xmax: s.completed + 1}
	for _, t := range s.open {
		if t.xid != 0 && t.xid < shot.xmax {
			shot.running = append(shot.running, t.xid)
		}
	}
	return shot
}

func (s *server) assign() uint64 {
	s.nextXid++
	return s.nextXid - 1
}

func (s *server) end(xid uint64) { s.completed = max(s.completed, xid) }

// step lets a writer do something.
func (s *server) step() {
	switch s.rng.IntN(4) {
	case 0:
		if len(s.open) < 5 {
			s.open = append(s.open, &transaction{})
		}
	case 1, 2:
		if len(s.open) > 0 {
			s.write(s.open[s.rng.IntN(len(s.open))])
		}
	default:
		if len(s.open) > 0 {
			s.finish(s.rng.IntN(len(s.open)))
		}
	}
}

// write inserts a message of a key whose lock the transaction takes first.
func (s *server) write(t *transaction) {
	if t.drawn != 0 { // the second half of an insert that drew its id first
		t.xid = s.assign()
		t.rows = append(t.rows, modelRow{t.drawn, t.xid, t.drawnBy})
		t.drawn = 0
		return
	}
	key := s.rng.IntN(6)
	if !slices.Contains(t.locks, key) {
		if s.locked[key] {
			return
		}
		s.locked[key] = true
		t.locks = append(t.locks, key)
	}
	if t.xid == 0 && s.idFirst {
		s.lastID++
		t.drawn, t.drawnBy = s.lastID, key
		return
	}
	if t.xid == 0 {
		t.xid = s.assign()
	}
	s.lastID++
	t.rows = append(t.rows, modelRow{s.lastID, t.xid, key})
}

func (s *server) finish(i int) {
	t := s.open[i]
	if t.drawn != 0 {
		return
	}
	s.open = slices.Delete(s.open, i, i+1)
	for _, key := range t.locks {
		delete(s.locked, key)
	}
	if t.xid == 0 {
		return
	}
	s.end(t.xid)
	if s.rng.IntN(5) > 0 { // else it rolled back
		s.table = append(s.table, t.rows...)
		s.committed += len(t.rows)
	}
}

// visible are the rows that a look finds: all that is committed when it is made.
func (s *server) visible(m mark, limit int, inRange, byXid bool) []modelRow {
	var rows []modelRow
	for _, r := range s.table {
		if inRange && r.id > m.low || byXid && r.id <= m.low && slices.Contains(m.xids, r.xid) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b modelRow) int { return int(a.id - b.id) })
	return rows[:min(len(rows), limit)]
}

// reader is a worker of the model, right or wrong in one way.
type reader struct {
	s         *server
	mark      mark
	proof     proof
	variant   string
	delivered []modelRow
}

// batch reads, removes a part of what it read, and advances the mark. Writers go on
// between any two steps.
func (r *reader) batch() {
	s, limit := r.s, 1+r.s.rng.IntN(6)
	seq := s.lastID
	s.step()
	shot, next := s.snapshot(), s.nextXid
	if r.variant == "one statement" {
		// its snapshot is older than what it reads of the sequence
		s.step()
		s.step()
		seq = s.lastID
	}
	s.step()
	rows := r.look(limit)
	f := found{}
	if len(rows) == limit {
		f.last = rows[len(rows)-1].id
	}
	if len(rows) > 0 && s.rng.IntN(4) == 0 { // the receiver takes only some of them
		n := s.rng.IntN(len(rows))
		f.left = rows[n].id
		rows = rows[:n]
	}
	s.step()
	p := r.proof
	switch r.variant {
	case "snapshot's end":
		p = proof{seq, shot.xmax}
	case "one statement":
		p = proof{seq, next} // even if a snapshot told which xid is next
	}
	if len(rows) > 0 {
		xid := s.assign()
		if r.variant == "sequence after the xid" {
			s.step()
			s.step()
			seq = s.lastID
		}
		for _, row := range rows {
			s.table = slices.DeleteFunc(s.table, func(x modelRow) bool { return x == row })
		}
		s.end(xid)
		r.delivered = append(r.delivered, rows...)
		r.proof = proof{seq, xid}
	}
	running := shot.running
	if r.variant == "forgets who runs" {
		running = nil
	}
	r.mark = r.mark.advance(p, running, f)
}

func (r *reader) look(limit int) []modelRow {
	if r.variant != "lookup apart" {
		return r.s.visible(r.mark, limit, true, true)
	}
	rows := r.s.visible(r.mark, limit, false, true)
	r.s.step()
	r.s.step()
	rows = append(rows, r.s.visible(r.mark, limit-len(rows), true, false)...)
	slices.SortFunc(rows, func(a, b modelRow) int { return int(a.id - b.id) })
	return rows
}

// run lets writers and a reader go on for a while, ends all transactions, and returns
// what went wrong.
func run(seed uint64, variant string) error {
	s := newServer(seed)
	s.idFirst = variant == "ids first"
	r := &reader{s: s, variant: variant}
	for range 60 {
		for range s.rng.IntN(4) {
			s.step()
		}
		r.batch()
	}
	for len(s.open) > 0 {
		if t := s.open[0]; t.drawn != 0 {
			s.write(t)
		}
		s.finish(0)
	}
	rng := s.rng
	s.rng = rand.New(rand.NewPCG(seed, 2))
	for range 400 {
		r.batch()
		for len(s.open) > 0 { // batch steps open new ones
			if t := s.open[0]; t.drawn != 0 {
				s.write(t)
			}
			s.finish(0)
		}
	}
	s.rng = rng
	return r.check()
}

// check returns an error if something committed long ago was not delivered, or
// delivered out of its key's order.
func (r *reader) check() error {
	last := make(map[int]int64)
	for _, row := range r.delivered {
		if row.id <= last[row.key] {
			return fmt.Errorf("key %d: %d was delivered after %d", row.key, row.id, last[row.key])
		}
		last[row.key] = row.id
	}
	for _, row := range r.s.table {
		if row.id <= r.mark.low && !slices.Contains(r.mark.xids, row.xid) {
			return fmt.Errorf("message %d is below the mark %d and would never be read", row.id, r.mark.low)
		}
	}
	return nil
}

func TestTheMarkLosesNothingAndKeepsOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		if err := run(seed, ""); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestWrongMarksFail(t *testing.T) {
	for _, variant := range []string{"one statement", "sequence after the xid", "snapshot's end", "ids first", "lookup apart", "forgets who runs"} {
		t.Run(variant, func(t *testing.T) {
			for seed := range uint64(3000) {
				if err := run(seed, variant); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("it fails in no schedule: the model cannot tell right from wrong")
		})
	}
}

func TestTheMarkMovesOn(t *testing.T) {
	s := newServer(1)
	r := &reader{s: s}
	holder := &transaction{}
	s.open = append(s.open, holder)
	holder.xid = s.assign()
	s.lastID++
	holder.rows = append(holder.rows, modelRow{s.lastID, holder.xid, 99})
	for range 50 { // others commit, one at a time, while it stays open
		xid := s.assign()
		s.lastID++
		s.table = append(s.table, modelRow{s.lastID, xid, 1})
		s.end(xid)
		rows := s.visible(r.mark, 10, true, true)
		shot := s.snapshot()
		seq := s.lastID
		for _, row := range rows {
			s.table = slices.DeleteFunc(s.table, func(x modelRow) bool { return x == row })
		}
		own := s.assign()
		s.end(own)
		r.mark = r.mark.advance(r.proof, shot.running, found{})
		r.proof = proof{seq, own}
	}
	if r.mark.low < 49 {
		t.Errorf("the mark is at %d while a writing transaction is open, want 49 or more", r.mark.low)
	}
	if !slices.Equal(r.mark.xids, []uint64{holder.xid}) {
		t.Errorf("the mark's transactions are %v, want the one that is open, %d", r.mark.xids, holder.xid)
	}
}

func TestReadingASnapshot(t *testing.T) {
	for text, want := range map[string][]uint64{
		"725:725:":        nil,
		"725:730:725,728": {725, 728},
		"18446744073709551614:18446744073709551615:18446744073709551614": {18446744073709551614},
	} {
		got, err := runningIn(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "7", "7:8", "7:8:x", "7:8:-1", "7:8:1,"} {
		if got, err := runningIn(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}
