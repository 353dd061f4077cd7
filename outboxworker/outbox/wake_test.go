package outbox

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestProducersNotifyOnlyWhileARelaySleeps writes in all ways, with wake as a fresh
// table has it, as a relay sets it before it sleeps, and as it sets it afterwards.
func TestProducersNotifyOnlyWhileARelaySleeps(t *testing.T) {
	url := migrated(t)
	relay, producer := connect(t, url, ""), connect(t, url, "outbox_producer")
	run(t, relay, "LISTEN outbox")
	writes := map[string]func(pgx.Tx) error{
		"enqueue": func(tx pgx.Tx) error {
			_, err := Enqueue(t.Context(), tx, Message{Topic: "t"})
			return err
		},
		"a batch": func(tx pgx.Tx) error {
			_, err := EnqueueBatch(t.Context(), tx, []Message{{Topic: "t"}, {Topic: "t"}})
			return err
		},
		"two statements": func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "SELECT outbox.enqueue('t', 'x'); SELECT outbox.enqueue('t', 'y')")
			return err
		},
		"copy": func(tx pgx.Tx) error {
			rows := pgx.CopyFromRows([][]any{{"t", []byte("x")}})
			_, err := tx.CopyFrom(t.Context(), pgx.Identifier{"outbox", "message"}, []string{"topic", "payload"}, rows)
			return err
		},
	}
	for _, state := range []struct {
		set  string
		want []string
	}{
		{"SELECT last_value FROM outbox.wake", []string{"end"}},
		{"SELECT setval('outbox.wake', 1)", []string{"", "end"}},
		{"SELECT setval('outbox.wake', 2)", []string{"end"}},
	} {
		run(t, relay, state.set)
		for name, write := range writes {
			inTx(t, producer, write)
			run(t, producer, "NOTIFY outbox, 'end'")
			if got := notifications(t, relay); !slices.Equal(got, state.want) {
				t.Errorf("after %s, %s sent the notifications %q, want %q", state.set, name, got, state.want)
			}
		}
	}
}

// notifications returns the payloads of what was notified, up to "end".
func notifications(t *testing.T, relay *pgx.Conn) (got []string) {
	t.Helper()
	for !slices.Contains(got, "end") {
		n, err := relay.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n.Payload)
	}
	return got
}

// TestSleepIsSeenAtOnce is why wake is a sequence: a transaction that began before the
// relay went to sleep notifies, too, in every isolation.
func TestSleepIsSeenAtOnce(t *testing.T) {
	url := migrated(t)
	relay, producer := connect(t, url, ""), connect(t, url, "outbox_producer")
	run(t, relay, "LISTEN outbox")
	tx, err := producer.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.Serializable})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM pg_class LIMIT 1"); err != nil { // takes the snapshot
		t.Fatal(err)
	}
	run(t, relay, "SELECT setval('outbox.wake', 1)")
	if _, err := Enqueue(t.Context(), tx, Message{Topic: "t"}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, producer, "NOTIFY outbox, 'end'")
	if n, err := relay.WaitForNotification(t.Context()); err != nil || n.Payload != "" {
		t.Errorf("the first notification is %v, %v, want the producer's", n, err)
	}
}
