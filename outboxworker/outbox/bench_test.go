package outbox

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// event is a payload as producers have it, of about 230 bytes.
func event(i int) []byte {
	return fmt.Appendf(nil, `{"order": %d, "customer": "customer-%d", "status": "paid", "currency": "EUR", "total": %d.%02d, `+
		`"items": [{"sku": "sku-%d", "quantity": %d}, {"sku": "sku-%d", "quantity": 1}], "paid_at": "2026-03-01T12:%02d:%02d.123456Z"}`,
		i, i%9973, i%500, i%100, i%7919, 1+i%9, i%6007, i/60%60, i%60)
}

func events(n int) []Message {
	ms := make([]Message, n)
	for i := range ms {
		ms[i] = Message{
			Topic: "orders", Key: fmt.Sprint(i % 10_000), Type: "order.paid", Payload: event(i),
			Headers: map[string]string{"traceparent": parent},
		}
	}
	return ms
}

// BenchmarkEnqueue measures transactions that write nothing but messages; each is
// committed. With one message it is Enqueue, with more EnqueueBatch.
func BenchmarkEnqueue(b *testing.B) {
	url := migrated(b)
	conn, db := connect(b, url, ""), open(b, url)
	db.SetMaxOpenConns(1)
	run := map[string]func(context.Context, []Message) error{
		"pgx": func(ctx context.Context, ms []Message) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				_, err := enqueueAll(ctx, tx, ms)
				return err
			})
		},
		"sql": func(ctx context.Context, ms []Message) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if _, err := enqueueAll(ctx, tx, ms); err != nil {
				return err
			}
			return tx.Commit()
		},
	}
	for _, kind := range []string{"pgx", "sql"} {
		for _, n := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				ms := events(n)
				enqueued := 0
				for b.Loop() {
					if err := run[kind](b.Context(), ms); err != nil {
						b.Fatal(err)
					}
					enqueued += n
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(enqueued), "ns/message")
			})
			if _, err := conn.Exec(b.Context(), "TRUNCATE outbox.message"); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkPayloadType compares two tables that differ in the type of the payload alone.
// The processor time of the server's process says more than the clock on a machine that
// does other things, too. docs/decisions/0005-payload-is-bytea.md has its figures.
func BenchmarkPayloadType(b *testing.B) {
	const rows, batch = 100_000, 1_000
	conn := connect(b, migrated(b), "")
	for _, kind := range []string{"bytea", "jsonb"} {
		table := "payload_" + kind
		run(b, conn, fmt.Sprintf("CREATE TABLE %s (LIKE outbox.message INCLUDING ALL)", table))
		if kind == "jsonb" {
			run(b, conn, `ALTER TABLE payload_jsonb DROP CONSTRAINT message_payload_check;
				ALTER TABLE payload_jsonb ALTER payload TYPE jsonb USING NULL`)
		}
		insert := fmt.Sprintf(`INSERT INTO %s (topic, key, payload)
			SELECT 'orders', k, p::%s FROM unnest($1::text[], $2::%s[]) AS x (k, p)`, table, kind,
			map[string]string{"bytea": "bytea", "jsonb": "text"}[kind])
		b.Run(kind+"/insert", func(b *testing.B) {
			inserted := 0
			var spent time.Duration
			for b.Loop() {
				b.StopTimer()
				run(b, conn, "TRUNCATE "+table)
				run(b, conn, "CHECKPOINT")
				before := spentBy(b, conn)
				b.StartTimer()
				for at := 0; at < rows; at += batch {
					keys, payloads := payloadsFrom(kind, at, batch)
					run(b, conn, insert, keys, payloads)
				}
				inserted += rows
				spent += spentBy(b, conn) - before
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(inserted), "ns/row")
			b.ReportMetric(float64(spent.Nanoseconds())/float64(inserted), "server-ns/row")
			b.ReportMetric(float64(value[int64](b, conn, "SELECT pg_table_size('"+table+"')"))/rows, "B/row")
		})
		b.Run(kind+"/read", func(b *testing.B) {
			read, before := 0, spentBy(b, conn)
			for b.Loop() {
				for lane := range 8 {
					read += readLane(b, conn, table, lane)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(read), "ns/row")
			b.ReportMetric(float64((spentBy(b, conn)-before).Nanoseconds())/float64(read), "server-ns/row")
		})
	}
}

// spentBy returns the processor time of a connection's process, as Linux counts it, in
// steps of 10 ms; 0 elsewhere.
func spentBy(b *testing.B, conn *pgx.Conn) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", conn.PgConn().PID()))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

func payloadsFrom(kind string, at, n int) (keys []string, payloads any) {
	asBytes, asText := make([][]byte, n), make([]string, n)
	for i := range n {
		keys = append(keys, fmt.Sprint((at+i)%10_000))
		asBytes[i] = event(at + i)
		asText[i] = string(asBytes[i])
	}
	if kind == "bytea" {
		return keys, asBytes
	}
	return keys, asText
}

// readLane reads a lane as a relay does, in batches, and returns how many rows it has.
func readLane(b *testing.B, conn *pgx.Conn, table string, lane int) (n int) {
	b.Helper()
	var last int64
	query := strings.ReplaceAll(`SELECT id, message_id, topic, key, type, payload, headers, created_at
		FROM table WHERE lane = $1 AND id > $2 ORDER BY lane, id LIMIT 2000`, "table", table)
	for more := true; more; {
		more = false
		rows, err := conn.Query(b.Context(), query, lane, last)
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
			raw := rows.RawValues()
			last = 0
			for _, c := range raw[0] { // binary
				last = last<<8 | int64(c)
			}
			if len(raw[5]) < 200 {
				b.Fatalf("a payload of %d bytes", len(raw[5]))
			}
			n++
			more = true
		}
		if err := rows.Err(); err != nil {
			b.Fatal(err)
		}
	}
	return n
}
