package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/testserver"
)

// partitions are those of delivered messages, by their names.
func partitions(t *testing.T, conn *pgx.Conn, schema string) []string {
	t.Helper()
	return values[string](t, conn, `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = to_regclass($1) ORDER BY c.relname`, quoted(schema)+".delivered")
}

// awayFromTheTurn waits until an hour has turned that is about to: the names of partitions
// that a test expects are those of the hour in which it asks.
func awayFromTheTurn(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	const soon = 30 // seconds; half a minute is how long tests wait for what should happen
	for value[bool](t, conn, "SELECT extract(epoch FROM clock_timestamp())::bigint % 3600 >= 3600 - $1::bigint", soon) {
		time.Sleep(100 * time.Millisecond)
	}
}

// hour is the name of the partition of an hour, which is so many hours from now.
func hour(t *testing.T, conn *pgx.Conn, from int) string {
	t.Helper()
	return value[string](t, conn, "SELECT 'delivered_' || to_char(now() AT TIME ZONE 'UTC' + $1 * interval '1 hour', 'YYYYMMDDHH24')", from)
}

// addHour makes the partition of an hour long ago by hand.
func addHour(t *testing.T, conn *pgx.Conn, schema string, from int) {
	t.Helper()
	start := value[time.Time](t, conn, "SELECT date_trunc('hour', now(), 'UTC') + $1 * interval '1 hour'", from)
	run(t, conn, fmt.Sprintf("CREATE TABLE %[1]s.%[2]s PARTITION OF %[1]s.delivered FOR VALUES FROM ('%[3]s') TO ('%[4]s')", quoted(schema),
		hour(t, conn, from), start.UTC().Format(time.RFC3339), start.Add(time.Hour).UTC().Format(time.RFC3339)))
}

// The worker makes partitions of a table that it does not own, and drops old ones; the
// zone of its session matters to neither, nor does a name that must be quoted.
func TestRotateDelivered(t *testing.T) {
	for _, schema := range []string{DefaultSchema, "select"} {
		for _, zone := range []string{"UTC", "America/New_York", "Asia/Kathmandu"} {
			t.Run(schema+" "+zone, func(t *testing.T) {
				url := testserver.Database(t)
				conn := connect(t, url, "")
				if _, err := Migrate(t.Context(), conn, schema); err != nil {
					t.Fatal(err)
				}
				awayFromTheTurn(t, conn)
				for _, from := range []int{-25, -26, -24, -100, -1} {
					addHour(t, conn, schema, from)
				}
				old := []string{hour(t, conn, -24), hour(t, conn, -1), hour(t, conn, 0), hour(t, conn, 1)}
				worker := connectWith(t, url, func(c *pgx.ConnConfig) {
					c.RuntimeParams["role"], c.RuntimeParams["timezone"] = schema+"_worker", zone
				})
				for i, want := range []int{3, 0} {
					if dropped := value[int](t, worker, "SELECT "+quoted(schema)+".rotate_delivered('24 hours')"); dropped != want {
						t.Errorf("call %d dropped %d partitions, want %d", i, dropped, want)
					}
				}
				if got := partitions(t, conn, schema); !slices.Equal(got, old) {
					t.Errorf("partitions %v, want %v", got, old)
				}
				run(t, worker, "INSERT INTO "+quoted(schema)+`.delivered (id, message_id, topic, type, attempts, created_at)
					VALUES (1, gen_random_uuid(), 't', '', 1, now())`)
				if got := value[string](t, conn, "SELECT tableoid::regclass::text FROM "+quoted(schema)+".delivered"); got != quoted(schema)+"."+hour(t, conn, 0) &&
					got != schema+"."+hour(t, conn, 0) {
					t.Errorf("a message is in %s", got)
				}
			})
		}
	}
}

// The partitions of the hours in which clocks are set forward or back, too, are dropped in
// their turn.
func TestRotateDeliveredWhenClocksAreSet(t *testing.T) {
	url := migrated(t)
	conn := connectWith(t, url, func(c *pgx.ConnConfig) { c.RuntimeParams["timezone"] = "America/New_York" })
	for _, start := range []string{"2026-03-08 06:00", "2026-03-08 07:00", "2025-11-02 05:00", "2025-11-02 06:00"} {
		at, err := time.Parse("2006-01-02 15:04", start)
		if err != nil {
			t.Fatal(err)
		}
		run(t, conn, fmt.Sprintf("CREATE TABLE outbox.delivered_%s PARTITION OF outbox.delivered FOR VALUES FROM ('%s') TO ('%s')",
			at.Format("2006010215"), at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339)))
	}
	if dropped := value[int](t, conn, "SELECT outbox.rotate_delivered('24 hours')"); dropped != 4 {
		t.Errorf("%d of 4 partitions were dropped", dropped)
	}
}

// A keep of 0 drops all whose hour is over, and makes none; nothing drops those that are
// written to.
func TestRotateDeliveredWithoutKeeping(t *testing.T) {
	conn := connect(t, migrated(t), "")
	awayFromTheTurn(t, conn)
	run(t, conn, "SELECT outbox.rotate_delivered('24 hours')")
	addHour(t, conn, DefaultSchema, -1)
	for _, keep := range []string{"0", "-5 hours"} {
		run(t, conn, "SELECT outbox.rotate_delivered($1::text::interval)", keep)
		if got, want := partitions(t, conn, DefaultSchema), []string{hour(t, conn, 0), hour(t, conn, 1)}; !slices.Equal(got, want) {
			t.Errorf("keep %s: partitions %v, want %v", keep, got, want)
		}
	}
	other := connect(t, migrated(t), "")
	run(t, other, "SELECT outbox.rotate_delivered('0')")
	if got := partitions(t, other, DefaultSchema); len(got) != 0 {
		t.Errorf("partitions %v were made", got)
	}
}

// Several relays rotate at once, in any isolation; each finds the partitions there when
// its call returns.
func TestRotateDeliveredAtOnce(t *testing.T) {
	for _, isolation := range []string{"read committed", "serializable"} {
		url := migrated(t)
		conn := connect(t, url, "")
		awayFromTheTurn(t, conn)
		addHour(t, conn, DefaultSchema, -30)
		start := make(chan struct{})
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			worker := connectWith(t, url, func(c *pgx.ConnConfig) {
				c.RuntimeParams["role"], c.RuntimeParams["default_transaction_isolation"] = "outbox_worker", isolation
			})
			wg.Go(func() {
				<-start
				if _, errs[i] = worker.Exec(t.Context(), "SELECT outbox.rotate_delivered('24 hours')"); errs[i] == nil {
					_, errs[i] = worker.Exec(t.Context(), delivered)
				}
			})
		}
		close(start)
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				t.Errorf("%s: %v", isolation, err)
			}
		}
		if got := value[int](t, conn, "SELECT count(*) FROM outbox.delivered"); got != len(errs) || len(partitions(t, conn, DefaultSchema)) != 2 {
			t.Errorf("%s: %d rows in %v", isolation, got, partitions(t, conn, DefaultSchema))
		}
	}
}

// Somebody who reads for hours, as a dump does, keeps old partitions from being dropped,
// but neither new ones from being made nor messages from being noted.
func TestRotateDeliveredBesideADump(t *testing.T) {
	url := migrated(t)
	conn := connect(t, url, "")
	awayFromTheTurn(t, conn)
	addHour(t, conn, DefaultSchema, -30)
	dump := connect(t, url, "")
	run(t, dump, "BEGIN; SELECT count(*) FROM outbox.delivered")
	worker := connect(t, url, "outbox_worker")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, sql := range []string{"SELECT outbox.rotate_delivered('24 hours')", delivered} {
		if _, err := worker.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := partitions(t, conn, DefaultSchema), []string{hour(t, conn, -30), hour(t, conn, 0), hour(t, conn, 1)}; !slices.Equal(got, want) {
		t.Errorf("partitions %v, want %v", got, want)
	}
	run(t, dump, "COMMIT")
	if dropped := value[int](t, worker, "SELECT outbox.rotate_delivered('24 hours')"); dropped != 1 {
		t.Errorf("after the dump %d partitions were dropped, want 1", dropped)
	}
}
