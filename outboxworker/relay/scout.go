package relay

// scout.go finds out for resting workers when there is something to do, over one
// connection for all of them: a probe costs a fraction of a look, and wakes only whom it
// concerns.
//
// A worker that it left out, as it did not rest, has it look again once it does.
//
// Polling alone finds everything. A notification is a hint that makes it sooner. A commit
// that notifies takes a lock on the whole cluster, so inserts notify only while the
// sequence "wake" says that the relay rests; while messages keep coming, it polls.

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/zap"
)

const (
	// unscouted is how often a worker looks for itself though there is a scout.
	unscouted = 5 * time.Second
	// between two probes there is a pause, which lets messages that come together be
	// one batch.
	pollBusy = 5 * time.Millisecond
	// Notifications are a waste when so many finds come within this time, and are
	// asked for when none came for as long.
	manyFinds = 5
	recently  = 100 * time.Millisecond
)

// scout is not for concurrent use.
type scout struct {
	relay *Relay
	sql   *statements
	conn  *pgx.Conn
	// hears tells that it listens, armed that inserts notify.
	hears, armed bool
	probed       time.Time
	finds        [manyFinds]time.Time
}

// scout probes until ctx is done.
func (r *Relay) scout(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		s := &scout{relay: r, sql: r.workers[0].sql}
		err := s.session(ctx)
		r.scouting.Store(false)
		r.metrics.listener(r.settings.Schema, false)
		r.wakeAll()
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			failures = 0
		}
		r.logger.Warn("looking for messages; workers poll meanwhile", zap.Error(err))
		sleep(ctx, reconnect.Wait(failures), nil)
	}
}

// session connects and probes until ctx is done or the connection fails.
func (s *scout) session(ctx context.Context) error {
	to := s.relay.settings.Listen
	if s.hears = to != nil; !s.hears {
		to = s.relay.settings.Database
	}
	var err error
	if s.conn, err = s.relay.connect(ctx, to); err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = s.conn.Close(closing)
	}()
	if s.hears {
		if _, err := s.conn.Exec(ctx, "LISTEN "+pgx.Identifier{s.relay.settings.Schema}.Sanitize()); err != nil {
			return fmt.Errorf("listening: %w", err)
		}
	}
	// first listen, then look: what was committed in between is found by the probe
	s.relay.metrics.listener(s.relay.settings.Schema, s.hears)
	return s.loop(ctx)
}

func (s *scout) loop(ctx context.Context) error {
	poll := s.relay.settings.PollMin
	for ctx.Err() == nil {
		found, err := s.probe(ctx)
		if err != nil {
			return err
		}
		s.relay.scouting.Store(true)
		now := time.Now()
		switch {
		case found:
			poll = max(pollBusy, s.relay.settings.PollMin)
			copy(s.finds[1:], s.finds[:])
			s.finds[0] = now
			if s.armed && now.Sub(s.finds[manyFinds-1]) < recently {
				err = s.arm(ctx, false)
			}
		case s.hears && !s.armed && now.Sub(s.finds[0]) > recently:
			poll = s.relay.settings.PollMin
			err = s.arm(ctx, true)
			// and once more: what was written before may not have notified
		default:
			poll = min(2*poll, s.relay.settings.PollMax)
		}
		if err == nil {
			err = s.wait(ctx, poll)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// wait waits for d, for a notification, or for a worker that a probe left out to rest.
func (s *scout) wait(ctx context.Context, d time.Duration) error {
	if s.hears {
		if err := s.listen(ctx, d); err != nil {
			return err
		}
	} else {
		sleep(ctx, d, s.relay.rested)
	}
	sleep(ctx, min(d, pollBusy)-time.Since(s.probed), nil)
	return nil
}

// listen is wait with notifications.
func (s *scout) listen(ctx context.Context, d time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, d)
	var helper sync.WaitGroup
	defer helper.Wait()
	defer cancel()
	helper.Go(func() {
		select {
		case <-s.relay.rested:
			cancel()
		case <-waiting.Done():
		}
	})
	if _, err := s.conn.WaitForNotification(waiting); err != nil && waiting.Err() == nil {
		return fmt.Errorf("waiting for a notification: %w", err)
	}
	return nil
}

// probe wakes the resting workers in whose lanes there is something to do, and reports
// whether there were any.
func (s *scout) probe(ctx context.Context) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.relay.settings.LaneTimeout)
	defer cancel()
	s.probed = time.Now()
	numbers, lows, of, xids := s.relay.resting()
	floors := s.relay.floors()
	own := make([]pgtype.Timestamptz, len(numbers))
	for i, n := range numbers {
		own[i] = floors[n]
	}
	var with []int16
	var b pgx.Batch
	b.Queue(begin)
	b.Queue(s.sql.scouting)
	b.Queue("SELECT last_value = 1 FROM " + pgx.Identifier{s.relay.settings.Schema, "wake"}.Sanitize()).
		QueryRow(func(row pgx.Row) error { return row.Scan(&s.armed) })
	b.Queue(s.sql.probe, numbers, lows, of, xids, own).Query(func(rows pgx.Rows) error {
		var err error
		with, err = pgx.CollectRows(rows, pgx.RowTo[int16])
		return err
	})
	b.Queue("COMMIT")
	if err := s.conn.SendBatch(ctx, &b).Close(); err != nil {
		return false, fmt.Errorf("probing: %w", err)
	}
	for _, w := range s.relay.workers {
		asked := false
		for _, l := range w.lanes {
			if slices.Contains(with, l.number) {
				l.asked.Store(true)
				asked = true
			}
		}
		if asked {
			w.awake()
		}
	}
	return len(with) > 0, nil
}

// resting returns the lanes whose workers rest, with what is known of each: the id up to
// which nothing is left, and the transactions that may have written below it.
func (r *Relay) resting() (numbers []int16, lows []int64, of []int16, xids []string) {
	for _, w := range r.workers {
		// In this order, or it might rest in between and neither know.
		w.unprobed.Store(true)
		if !w.idle.Load() {
			continue // it says when it rests
		}
		w.unprobed.Store(false)
		for _, l := range w.lanes {
			low := int64(math.MinInt64)
			if known := l.known.Load(); known != nil {
				low = known.above()
				for _, xid := range known.xids {
					of, xids = append(of, l.number), append(xids, strconv.FormatUint(xid, 10))
				}
			}
			numbers, lows = append(numbers, l.number), append(lows, low)
		}
	}
	return numbers, lows, of, xids
}

// arm asks for notifications, or for none.
func (s *scout) arm(ctx context.Context, on bool) error {
	value := 2
	if on {
		value = 1
	}
	ctx, cancel := context.WithTimeout(ctx, s.relay.settings.LaneTimeout)
	defer cancel()
	name := pgx.Identifier{s.relay.settings.Schema, "wake"}.Sanitize()
	var b pgx.Batch
	b.Queue(begin) // a sequence cannot be set where transactions only read by default
	b.Queue("SELECT setval($1::text::regclass, $2::bigint)", name, value)
	b.Queue("COMMIT")
	if err := s.conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("asking for notifications: %w", err)
	}
	return nil
}

// probeSoon has the scout look again though its time has not come.
func (r *Relay) probeSoon() {
	select {
	case r.rested <- struct{}{}:
	default:
	}
}

// awake ends a worker's rest; if it does not rest, its next one.
func (w *worker) awake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// wakeAll lets all workers look for themselves.
func (r *Relay) wakeAll() {
	for _, w := range r.workers {
		w.askAll()
		w.awake()
	}
}
