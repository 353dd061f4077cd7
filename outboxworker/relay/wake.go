package relay

// wake.go wakes workers that sleep. Polling alone delivers everything; a notification is
// a hint that makes it sooner. A commit that notifies takes a lock on the whole cluster,
// so inserts notify only while the sequence "wake" says that somebody sleeps.

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

const (
	// busyRounds with work, one after the other, make notifications a waste.
	busyRounds = 3
	// restAfter is how long all workers must have had nothing to do before
	// notifications are asked for.
	restAfter = 20 * time.Millisecond
	// pingEvery is how often a listening connection is tried.
	pingEvery = 5 * time.Second
)

// mayArm tells whether it is time to ask for notifications: there is somebody to hear
// them, nobody has asked yet, and no worker, here or elsewhere, has had work.
func (w *worker) mayArm(round progress) bool {
	return w.relay.listening.Load() && round.looked && !round.armed && !round.busy &&
		time.Since(time.Unix(0, w.relay.worked.Load())) > restAfter
}

// arm asks for notifications, or for none.
func (w *worker) arm(ctx context.Context, on bool) error {
	value := 2
	if on {
		value = 1
	}
	name := pgx.Identifier{w.settings().Schema, "wake"}.Sanitize()
	ctx, cancel := context.WithTimeout(ctx, w.settings().LaneTimeout)
	defer cancel()
	if _, err := w.conn.Exec(ctx, "SELECT setval($1::text::regclass, $2::bigint)", name, value); err != nil {
		return fmt.Errorf("asking for notifications: %w", err)
	}
	return nil
}

// listen wakes all workers whenever a notification comes, until ctx is done.
func (r *Relay) listen(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := r.listenOnce(ctx)
		r.listening.Store(false)
		r.metrics.listener(r.settings.Schema, false)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			failures = 0
		}
		r.logger.Warn("listening for notifications; polling meanwhile", zap.Error(err))
		sleep(ctx, reconnect.Wait(failures), nil)
	}
}

func (r *Relay) listenOnce(ctx context.Context) error {
	conn, err := r.connect(ctx, r.settings.Listen)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{r.settings.Schema}.Sanitize()); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	// first listen, then look: what was committed in between is found by the look
	r.listening.Store(true)
	r.metrics.listener(r.settings.Schema, true)
	r.wakeAll()
	for {
		waiting, cancel := context.WithTimeout(ctx, pingEvery)
		_, err := conn.WaitForNotification(waiting)
		expired := waiting.Err() != nil
		cancel()
		switch {
		case err == nil:
			r.wakeAll()
		case ctx.Err() != nil:
			return ctx.Err()
		case !expired:
			return fmt.Errorf("waiting for a notification: %w", err)
		default:
			if err := ping(ctx, conn); err != nil {
				return err
			}
		}
	}
}

func ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, pingEvery)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("pinging: %w", err)
	}
	return nil
}

// wakeAll wakes the workers that sleep; one that does not will look once more.
func (r *Relay) wakeAll() {
	for _, w := range r.workers {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
