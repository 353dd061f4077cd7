package outbox

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// producer runs a function in a transaction of one kind.
type producer struct {
	name string
	in   func(context.Context, func(tx any) error) error
}

// producers are all kinds of transaction, in all modes in which pgx sends parameters.
func producers(t *testing.T, url string) []producer {
	t.Helper()
	var all []producer
	for mode := pgx.QueryExecModeCacheStatement; mode <= pgx.QueryExecModeSimpleProtocol; mode++ {
		conn := connectWith(t, url, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
		all = append(all, producer{"pgx, " + mode.String(), func(ctx context.Context, f func(any) error) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return f(tx) })
		}})
		db := open(t, url+"&default_query_exec_mode="+map[pgx.QueryExecMode]string{
			pgx.QueryExecModeCacheStatement: "cache_statement", pgx.QueryExecModeCacheDescribe: "cache_describe",
			pgx.QueryExecModeDescribeExec: "describe_exec", pgx.QueryExecModeExec: "exec",
			pgx.QueryExecModeSimpleProtocol: "simple_protocol",
		}[mode])
		all = append(all, producer{"database/sql, " + mode.String(), func(ctx context.Context, f func(any) error) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := f(tx); err != nil {
				return err
			}
			return tx.Commit()
		}})
	}
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return append(all, producer{"pool, savepoint", func(ctx context.Context, f func(any) error) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			return pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error { return f(inner) })
		})
	}})
}

// stored is a message as the table has it.
type stored struct {
	ID                        uuid.UUID
	BizID, Topic, Key, Type   string
	NoBizID, NoKey, NoHeaders bool
	Payload                   []byte
	Headers                   map[string]string
	DeliverAfter              *time.Time
}

func storedMessages(t *testing.T, conn *pgx.Conn) []stored {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT message_id::text, COALESCE(biz_id, ''), topic, COALESCE(key, ''), type,
		biz_id IS NULL, key IS NULL, headers IS NULL, payload, COALESCE(headers, '{}'), deliver_after
		FROM outbox.message ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s stored, err error) {
		var id string
		err = row.Scan(&id, &s.BizID, &s.Topic, &s.Key, &s.Type, &s.NoBizID, &s.NoKey, &s.NoHeaders,
			&s.Payload, &s.Headers, &s.DeliverAfter)
		s.ID = uuid.MustParse(id)
		return s, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awkward are strings that some encoding on the way might change.
var awkward = []string{
	"", "x", "NULL", "null", `"`, `\`, `\\"`, `{a,b}`, `a,b`, " ", "\n\t\r\x01\x7f", "$1", "'", `\x00`, `\000`, "äöü€😀", "\u2028", "--", "%s",
}

func randomMessage(random *rand.Rand) Message {
	text := func() string { return awkward[random.IntN(len(awkward))] + awkward[random.IntN(len(awkward))] }
	m := Message{Topic: "t" + text(), Key: text(), Type: text(), BizID: text()}
	if random.IntN(4) > 0 {
		m.Payload = make([]byte, random.IntN(40))
		for i := range m.Payload {
			m.Payload[i] = byte(random.Uint32())
		}
	}
	for range random.IntN(3) {
		if m.Headers == nil {
			m.Headers = make(map[string]string)
		}
		m.Headers["n"+text()] = text()
	}
	if random.IntN(3) == 0 {
		zone := time.FixedZone("", (random.IntN(27)-12)*3600)
		m.DeliverAfter = time.UnixMicro(random.Int64N(253402300799e6 - 86400e6)).In(zone)
	}
	if random.IntN(2) == 0 {
		m.ID = uuid.New()
	}
	return m
}

// TestMessagesArriveInTheTableAsTheyAre writes messages of anything in every kind of
// transaction, one by one and in batches.
func TestMessagesArriveInTheTableAsTheyAre(t *testing.T) {
	url := migrated(t)
	admin := connect(t, url, "")
	for seed, p := range producers(t, url) {
		t.Run(p.name, func(t *testing.T) {
			run(t, admin, "TRUNCATE outbox.message")
			random := rand.New(rand.NewPCG(1, uint64(seed)))
			var sent []Message
			err := p.in(t.Context(), func(tx any) error {
				for _, n := range []int{1, 50, 1, 2, 0} {
					batch := make([]Message, n)
					for i := range batch {
						batch[i] = randomMessage(random)
					}
					ids, err := enqueueAll(t.Context(), tx, batch)
					if err != nil {
						return err
					}
					if len(ids) != n {
						t.Errorf("of %d messages, %d ids are returned", n, len(ids))
					}
					for i := range ids {
						if batch[i].ID != (uuid.UUID{}) && batch[i].ID != ids[i] {
							t.Errorf("the id %s became %s", batch[i].ID, ids[i])
						}
						batch[i].ID = ids[i]
					}
					sent = append(sent, batch...)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, sent, storedMessages(t, admin))
		})
	}
}

func enqueueAll(ctx context.Context, tx any, ms []Message) ([]uuid.UUID, error) {
	if len(ms) != 1 {
		return EnqueueBatch(ctx, tx, ms)
	}
	id, err := Enqueue(ctx, tx, ms[0])
	return []uuid.UUID{id}, err
}

func compare(t *testing.T, sent []Message, got []stored) {
	t.Helper()
	if len(got) != len(sent) {
		t.Fatalf("%d messages are stored, %d were enqueued", len(got), len(sent))
	}
	for i, g := range got {
		m := sent[i]
		if g.ID != m.ID || g.BizID != m.BizID || g.Topic != m.Topic || g.Key != m.Key || g.Type != m.Type ||
			g.NoBizID != (m.BizID == "") || g.NoKey != (m.Key == "") || g.NoHeaders != (len(m.Headers) == 0) ||
			!slices.Equal(g.Payload, m.Payload) || !maps.Equal(g.Headers, m.Headers) {
			t.Errorf("message %d is stored as\n%+v, enqueued was\n%+v", i, g, m)
		}
		if g.DeliverAfter == nil != m.DeliverAfter.IsZero() || g.DeliverAfter != nil && !g.DeliverAfter.Equal(m.DeliverAfter) {
			t.Errorf("message %d is delivered after %v, want %v", i, g.DeliverAfter, m.DeliverAfter)
		}
	}
}

// TestBatchesKeepTheirOrder matters for messages of one key. The second batch takes
// several statements.
func TestBatchesKeepTheirOrder(t *testing.T) {
	url := migrated(t)
	admin := connect(t, url, "")
	for _, p := range producers(t, url)[:2] {
		for _, batch := range []struct{ messages, payload int }{{20_000, 0}, {9, MaxPayload}} {
			t.Run(fmt.Sprintf("%s, %d", p.name, batch.messages), func(t *testing.T) {
				run(t, admin, "TRUNCATE outbox.message")
				ms := make([]Message, batch.messages)
				payload := make([]byte, batch.payload)
				for i := range ms {
					ms[i] = Message{Topic: "t", Key: "k", BizID: fmt.Sprint(i), Payload: payload}
				}
				err := p.in(t.Context(), func(tx any) error {
					_, err := EnqueueBatch(t.Context(), tx, ms)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				got := values[string](t, admin, "SELECT biz_id FROM outbox.message WHERE length(payload) = $1 ORDER BY id", batch.payload)
				if len(got) != len(ms) {
					t.Fatalf("%d messages are stored, %d were enqueued", len(got), len(ms))
				}
				for i := range got {
					if got[i] != ms[i].BizID {
						t.Fatalf("at %d is message %s", i, got[i])
					}
				}
			})
		}
	}
}

func TestNothingStaysAfterARollback(t *testing.T) {
	url := migrated(t)
	failed := fmt.Errorf("the business said no")
	for _, p := range producers(t, url)[:2] {
		err := p.in(t.Context(), func(tx any) error {
			if _, err := Enqueue(t.Context(), tx, Message{Topic: "t"}); err != nil {
				t.Fatal(err)
			}
			if _, err := EnqueueBatch(t.Context(), tx, []Message{{Topic: "t"}, {Topic: "t"}}); err != nil {
				t.Fatal(err)
			}
			return failed
		})
		if err != failed {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if n := value[int](t, connect(t, url, ""), "SELECT count(*) FROM outbox.message"); n > 0 {
		t.Errorf("%d messages are there", n)
	}
}
