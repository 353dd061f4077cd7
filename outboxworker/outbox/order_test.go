package outbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestColumnsAreInOrder checks what the relay's low-water mark rests on: that a row's
// id is drawn after its transaction has an xid, since defaults are evaluated in the
// order of the columns, and that ids grow from session to session.
func TestColumnsAreInOrder(t *testing.T) {
	conn := connect(t, migrated(t), "")
	order := values[string](t, conn, `SELECT attname FROM pg_attribute
		WHERE attrelid = 'outbox.message'::regclass AND attname IN ('txid', 'id') ORDER BY attnum`)
	if !slices.Equal(order, []string{"txid", "id"}) {
		t.Errorf("the columns are in the order %v", order)
	}
	if cache := value[int](t, conn, "SELECT seqcache FROM pg_sequence WHERE seqrelid = 'outbox.message_id_seq'::regclass"); cache != 1 {
		t.Errorf("the sequence caches %d ids", cache)
	}
	if kind := value[string](t, conn, `SELECT attidentity::text FROM pg_attribute
		WHERE attrelid = 'outbox.message'::regclass AND attname = 'id'`); kind != "a" {
		t.Errorf("the identity is of kind %q, want a, for always", kind)
	}
}

// look is what a relay knows: ids up to last had been drawn when it was given xid.
type look struct{ last, xid int64 }

// allWays are all ways to enqueue.
var allWays = []func(context.Context, pgx.Tx) error{
	func(ctx context.Context, tx pgx.Tx) error {
		_, err := Enqueue(ctx, tx, Message{Topic: "t", Key: "k"})
		return err
	},
	func(ctx context.Context, tx pgx.Tx) error {
		_, err := EnqueueBatch(ctx, tx, []Message{{Topic: "t"}, {Topic: "t"}, {Topic: "t"}})
		return err
	},
	func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO outbox.message (payload, topic) VALUES ('', 't'), ('', 't')")
		return err
	},
	func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT outbox.enqueue('t', 'x')")
		return err
	},
	func(ctx context.Context, tx pgx.Tx) error {
		rows := pgx.CopyFromRows([][]any{{"t", []byte("x")}, {"t", []byte("y")}})
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"outbox", "message"}, []string{"topic", "payload"}, rows)
		return err
	},
	func(ctx context.Context, tx pgx.Tx) error { // in a subtransaction
		return pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
			_, err := Enqueue(ctx, inner, Message{Topic: "t"})
			return err
		})
	},
}

// TestIDsAreDrawnAfterXIDs lets several sessions write in all ways while a relay looks,
// and then checks what it may conclude: that no id up to the sequence's value belongs
// to a transaction that was given its xid later. A table whose columns are in the wrong order
// must fail, or the test would see nothing.
func TestIDsAreDrawnAfterXIDs(t *testing.T) {
	url := migrated(t)
	if found := wrongConclusions(t, url, "outbox.message", allWays); found != "" {
		t.Error(found)
	}

	run(t, connect(t, url, ""), `
		CREATE FUNCTION pause() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1 FROM pg_sleep(0.001)';
		CREATE TABLE turned (id bigint GENERATED ALWAYS AS IDENTITY, pause int DEFAULT pause(),
			txid xid8 DEFAULT pg_current_xact_id(), topic text)`)
	turned := func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO turned (topic) VALUES ('t')")
		return err
	}
	if wrongConclusions(t, url, "turned", []func(context.Context, pgx.Tx) error{turned}) == "" {
		t.Error("with the columns in the wrong order, nothing was found")
	}
}

// wrongConclusions returns a conclusion of a look that turned out to be wrong.
func wrongConclusions(t *testing.T, url, table string, inserts []func(context.Context, pgx.Tx) error) string {
	t.Helper()
	const writers, transactions = 4, 100
	relay, admin := connect(t, url, ""), connect(t, url, "")
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		conn, random := connect(t, url, ""), rand.New(rand.NewPCG(2, uint64(w)))
		wg.Go(func() {
			for range transactions {
				if errs[w] = write(t.Context(), conn, random, inserts); errs[w] != nil {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	looks := lookUntil(t, relay, table, done)
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	xids := xidsOf(t, admin, table)
	if len(xids) < writers*transactions/2 || len(looks) < transactions {
		t.Fatalf("%d rows and %d looks show nothing", len(xids), len(looks))
	}
	for _, l := range looks {
		for id, xid := range xids {
			if id <= l.last && xid >= l.xid {
				return fmt.Sprintf("id %d had been drawn, but its transaction %d was not before %d", id, xid, l.xid)
			}
		}
	}
	return ""
}

// lookUntil looks until the writers are done, and once more.
func lookUntil(t *testing.T, relay *pgx.Conn, table string, done <-chan struct{}) []look {
	t.Helper()
	var looks []look
	for writing := true; writing; {
		select {
		case <-done:
			writing = false
		default:
		}
		l := look{last: value[int64](t, relay, "SELECT COALESCE(pg_sequence_last_value('"+table+"_id_seq'), 0)")}
		l.xid = number(t, value[string](t, relay, "SELECT pg_current_xact_id()::text"))
		looks = append(looks, l)
	}
	return looks
}

// xidsOf returns the transactions of a table's rows, by id.
func xidsOf(t *testing.T, conn *pgx.Conn, table string) map[int64]int64 {
	t.Helper()
	xids := make(map[int64]int64)
	rows, err := conn.Query(t.Context(), "SELECT id, txid::text FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	var xid string
	if _, err := pgx.ForEachRow(rows, []any{&id, &xid}, func() error { xids[id] = number(t, xid); return nil }); err != nil {
		t.Fatal(err)
	}
	return xids
}

// write runs a transaction that may do something else first, and may roll back.
func write(ctx context.Context, conn *pgx.Conn, random *rand.Rand, inserts []func(context.Context, pgx.Tx) error) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if random.IntN(3) == 0 { // the transaction has an xid already
		if _, err := tx.Exec(ctx, "SELECT pg_current_xact_id()"); err != nil {
			return err
		}
	}
	for range 1 + random.IntN(2) {
		if err := inserts[random.IntN(len(inserts))](ctx, tx); err != nil {
			return err
		}
	}
	if random.IntN(5) == 0 {
		return tx.Rollback(ctx)
	}
	return tx.Commit(ctx)
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLanesFollowKeys checks that a key has one lane, that all lanes are used, and
// that rows without a key are spread evenly.
func TestLanesFollowKeys(t *testing.T) {
	conn := connect(t, migrated(t), "")
	run(t, conn, "INSERT INTO outbox.message (topic, key, payload) SELECT 't', 'k' || i % 100, '' FROM generate_series(1, 1000) AS i")
	if n := value[int](t, conn, "SELECT count(*) FROM (SELECT key FROM outbox.message GROUP BY key HAVING min(lane) <> max(lane)) AS x"); n > 0 {
		t.Errorf("%d keys are in several lanes", n)
	}
	lanes := "SELECT lane FROM outbox.message GROUP BY lane ORDER BY lane"
	if got := values[int](t, conn, lanes); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("the lanes are %v", got)
	}
	run(t, conn, "TRUNCATE outbox.message")
	run(t, conn, "INSERT INTO outbox.message (topic, payload) SELECT 't', '' FROM generate_series(1, 800) AS i")
	if got := values[int](t, conn, "SELECT count(*) FROM outbox.message GROUP BY lane"); !slices.Equal(got, []int{100, 100, 100, 100, 100, 100, 100, 100}) {
		t.Errorf("the lanes have %v messages without a key", got)
	}
}

// TestTimesAreFinite: a worker could not hold infinity, so rows that have it are refused.
func TestTimesAreFinite(t *testing.T) {
	conn := connect(t, migrated(t), "")
	for _, column := range []string{"created_at", "deliver_after"} {
		for _, value := range []string{"infinity", "-infinity"} {
			_, err := conn.Exec(t.Context(), "INSERT INTO outbox.message (topic, payload, "+column+") VALUES ('t', '', '"+value+"')")
			if err == nil || !strings.Contains(err.Error(), "message_"+column+"_check") {
				t.Errorf("%s = %s: %v, want the check to refuse it", column, value, err)
			}
		}
	}
}
