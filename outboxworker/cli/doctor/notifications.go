package doctor

// notifications.go tries whether notifications arrive.

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// arrives is how long a notification may take. It takes milliseconds, or it does not
// come.
const arrives = 3 * time.Second

func (d *doctor) notifications(ctx context.Context) {
	if d.target.Listen == nil {
		d.note("", "notifications", OK, "", "poll_only is set: new messages are found by looking for them")
		return
	}
	took, err := d.notify(ctx)
	if err != nil {
		d.note("", "notifications", Warning,
			"set database.listen_url to the server itself, past any pooler, or database.poll_only",
			"no notification arrives, so messages wait up to poll_max: %v", err)
		return
	}
	d.note("", "notifications", OK, "", "a notification arrives within %s", took.Round(100*time.Microsecond))
}

// notify sends a notification from the worker's connection to a listening one, on a
// channel that nobody else uses.
func (d *doctor) notify(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	listening, err := pgx.ConnectConfig(ctx, d.target.Listen.Copy())
	if err != nil {
		return 0, fmt.Errorf("connecting to listen: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = listening.Close(closing)
	}()
	channel := fmt.Sprintf("outboxworker_doctor_%d_%d", listening.PgConn().PID(), time.Now().UnixNano())
	if _, err := listening.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return 0, fmt.Errorf("listening: %w", err)
	}
	began := time.Now()
	if _, err := d.conn.Exec(ctx, "SELECT pg_notify($1, '')", channel); err != nil {
		return 0, fmt.Errorf("notifying: %w", err)
	}
	waiting, stop := context.WithTimeout(ctx, arrives)
	defer stop()
	if _, err := listening.WaitForNotification(waiting); err != nil {
		return 0, fmt.Errorf("waiting for a notification: %w", err)
	}
	return time.Since(began), nil
}
