package relay

// mark.go holds the low-water mark: where in a lane there is nothing left to read.
// It keeps the index entries of deleted messages, which stay while some transaction
// holds back vacuum, out of the scan of a batch.
//
// Ids are drawn in the order of inserts, not of commits, so below the newest message
// that can be seen there may be others whose transactions have not ended yet. Two
// facts bound them. A transaction has its xid before it draws an id (the columns'
// order in the table). And xids are given out in order. So:
//
//   - Let seq be the last id drawn, as the sequence says at some time (and not what it is
//     about to log; see claim.sql), and xid one that is given out after that. Then every id up to seq belongs to a transaction
//     before xid. That is a proof.
//   - When xid itself has ended, a snapshot lists every transaction before xid that is
//     still running: its end (xmax, which is one past the highest xid that has
//     *completed*, not the next to be given out) lies behind xid.
//   - So after a look with such a snapshot, or with a later one, what may still appear
//     up to seq belongs to the transactions that this snapshot lists.
//
// A look reads the ids above low, and below it the messages of those transactions.
//
// The proof's xid is that of the relay's own last batch: the sequence is read when a
// batch begins, the xid assigned when it deletes what it delivered. The end of a
// snapshot alone, taken after the sequence was read, is no proof: transactions that
// run at that time may have higher xids than it.

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// proof says that all ids up to seq belong to transactions before xid.
type proof struct {
	seq int64
	xid uint64
}

// mark says that what is left, and what may yet appear, up to id low of a lane belongs
// to the transactions xids. It is kept in memory alone.
type mark struct {
	low  int64
	xids []uint64
}

// found is what a look came to.
type found struct {
	// last is the id of the last message of a look that may have left some; 0 if
	// it read all there was.
	last int64
	// left is the id of the first message that it read and that stays; 0 if none
	// does.
	left int64
}

// advance returns the mark after a look that began with m, once what it removed is
// committed. The xid of p must have ended before the snapshot was taken that lists
// running, and that snapshot before the look.
func (m mark) advance(p proof, running []uint64, f found) mark {
	done := int64(math.MaxInt64) // nothing that the look could see is left up to here
	if f.last != 0 {
		done = f.last
	}
	if f.left != 0 {
		done = min(done, f.left-1)
	}
	low := min(p.seq, done)
	if low <= m.low {
		if done >= m.low { // what the look found of transactions that have ended is gone
			m.xids = slices.DeleteFunc(slices.Clone(m.xids), func(xid uint64) bool { return !slices.Contains(running, xid) })
		}
		return m
	}
	next := mark{low: low}
	for _, xid := range running {
		if xid < p.xid {
			next.xids = append(next.xids, xid)
		}
	}
	return next
}

// incarnation tells one run of a server from another: after a crash its sequences may
// go back. Behind a pooler the connection outlives the server; and when one of its
// processes dies, the server starts all of them anew, but for the first.
type incarnation struct {
	started time.Time
	backend int32
}

func (i incarnation) is(other incarnation) bool {
	return i.started.Equal(other.started) && i.backend == other.backend
}

// runningIn returns the transactions that a snapshot, xmin:xmax:xip,..., lists.
func runningIn(snapshot string) ([]uint64, error) {
	_, list, ok := strings.Cut(snapshot, ":")
	if ok {
		_, list, ok = strings.Cut(list, ":")
	}
	if !ok {
		return nil, fmt.Errorf("reading a snapshot: %q is none", snapshot)
	}
	if list == "" {
		return nil, nil
	}
	var running []uint64
	for xid := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(xid, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading a snapshot: %w", err)
		}
		running = append(running, n)
	}
	return running, nil
}

// above is the id above which a look reads. Where nothing is known that is all of them,
// also those below 1 that somebody may have written by hand.
func (m mark) above() int64 {
	if m.low == 0 {
		return math.MinInt64
	}
	return m.low
}

// texts returns xids as PostgreSQL reads them.
func (m mark) texts() []string {
	texts := make([]string, len(m.xids))
	for i, xid := range m.xids {
		texts[i] = strconv.FormatUint(xid, 10)
	}
	return texts
}
