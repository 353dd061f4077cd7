package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	enqueue "github.com/weirproxy/weir/outboxworker/outbox"
)

// A payload over the limit is refused in words, by the library before anything is
// sent, and by the table.
func TestPayloadsOverTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	y := newSystem(t, newReceiver(t, patience), settings{laneTimeout: patientLane})
	tooLong := make([]byte, enqueue.MaxPayload+1)
	err := y.database.try(func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := enqueue.Enqueue(ctx, tx, enqueue.Message{Topic: "t", Payload: tooLong})
			if want := "checking payload: 4194305 bytes are more than 4194304"; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("enqueuing too much: %v, want %q", err, want)
			}
			// The transaction can still be used.
			_, err = enqueue.Enqueue(ctx, tx, enqueue.Message{Topic: "t", Key: "a", Payload: message{"a", 1}.payload()})
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	y.committed.committed([]message{{"a", 1}})
	err = y.database.try(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT outbox.enqueue(topic => 't', payload => $1::bytea)", tooLong)
		return err
	})
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.ConstraintName != "message_payload_check" {
		t.Errorf("inserting too much: %v, want a violation of message_payload_check", err)
	}
	y.start("")
	y.settle(time.Minute)
}

// What a payload holds arrives as it is.
func TestPayloadsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	to := newStreams(t, 1)
	to.timeout = patience
	y := newSystem(t, to, settings{laneTimeout: patientLane})
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	payloads := [][]byte{{}, {0}, []byte("\x00\xff\x00"), all, []byte("\r\n+OK\r\n"), []byte(`{"a": "\u0000"}`)}
	for _, payload := range payloads {
		y.database.exec("INSERT INTO outbox.message (topic, key, payload) VALUES ('raw', 'k', $1)", payload)
	}
	y.start("")
	y.await("the payloads to arrive", 30*time.Second, func() bool { return len(to.entries("events:raw")) == len(payloads) })
	for i, entry := range to.entries("events:raw") {
		if got := entry.Values["payload"]; got != string(payloads[i]) {
			t.Errorf("payload %q arrived as %q", payloads[i], got)
		}
	}
	y.settle(time.Minute)
}

// row is a value of a column that somebody filled by hand, in SQL.
type row struct{ column, value string }

// nonsense is what a table filled by hand may hold.
var nonsense = []row{
	{"key", "''"},
	{"key", "repeat(chr(1), 1024)"},
	{"key", "E'\\r\\nX-Evil: 1'"},
	{"key", "E'\\'; DROP SCHEMA outbox CASCADE; --'"},
	{"type", "E'line\\nbreak \U0001F600'"},
	{"biz_id", "repeat(chr(127), 255)"},
	{"topic", "'..'"},
	{"topic", "'a/../../b?c#d%2e%00'"},
	{"topic", "E'\\r\\nHost: evil'"},
	{"topic", "repeat('\u00e9', 127)"},
	{"headers", "'{}'"},
	{"headers", `'{"": "", "a b": "c", "a\r\n": "b\r\nc", "x": null, "y": {"z": [1]}, "n": 1e400, "t": true}'`},
	{"headers", `'{"Host": "evil", "Content-Length": "1", "Transfer-Encoding": "chunked", "Connection": "close"}'`},
	{"headers", `'{"Expect": "100-continue", "Upgrade": "h2c", "webhook-id": "x", "authorization": "x"}'`},
	{"headers", `jsonb_build_object('x', repeat('y', 60000))`},
	{"message_id", "'00000000-0000-0000-0000-000000000000'"},
	{"deliver_after", "'4713-01-01 BC'"},
	{"created_at", "'4713-01-01 BC'"},
	{"created_at", "'294276-12-31'"},
}

// Rows of nonsense are delivered or die for a reason, and so are the messages around
// them.
func TestRowsOfNonsenseStopNobody(t *testing.T) {
	t.Parallel()
	stopNobody(t, nonsense)
}

// stopNobody has each row of nonsense in every lane, and sound messages in all lanes
// behind them. Topics alone may kill, as they would lead to another path.
func stopNobody(t *testing.T, rows []row) {
	y := newSystem(t, templated{newReceiver(t, patience)}, settings{retries: 2, laneTimeout: patientLane})
	isTopic := make(map[int]bool)
	seq := 0
	for _, row := range rows {
		columns, values := "topic, "+row.column, "'t', "+row.value
		if row.column == "topic" {
			columns, values = row.column, row.value
		}
		for range 8 { // without a key, messages take the lanes in turn
			seq++
			isTopic[seq] = row.column == "topic"
			m := message{loose, seq}
			y.database.exec(fmt.Sprintf("INSERT INTO outbox.message (payload, %s) VALUES ($1, %s)", columns, values), m.payload())
			y.committed.committed([]message{m})
			if row.column == "message_id" {
				break // a second one would look as if it were the first
			}
		}
	}
	y.mayDie = func(d dead) bool { return d.reason == "fatal" && d.key == loose && isTopic[d.seq] }
	var sound []message
	for n := range 32 {
		sound = append(sound, message{numbered("sound", n), 1})
	}
	y.producers.enqueueAll(sound)
	y.start("")
	y.settle(time.Minute)
}

// templated is a receiver whose URL names the topic of each message.
type templated struct{ *receiver }

func (r templated) sink() string {
	return fmt.Sprintf("webhook: {url: %q, timeout: %s}", "http://"+r.address+"/in/{topic}", r.timeout)
}

// A message that is due in a lifetime waits, and nothing waits for it.
func TestAMessageThatIsNeverDueStopsNobody(t *testing.T) {
	t.Parallel()
	y := newSystem(t, newReceiver(t, patience), settings{laneTimeout: patientLane})
	y.database.exec("INSERT INTO outbox.message (topic, key, payload, deliver_after) VALUES ('t', 'sound', $1, '9999-01-01')",
		message{late, 1}.payload())
	y.producers.enqueueAll([]message{{"sound", 1}, {"sound", 2}})
	y.start("")
	y.await("all other messages to be accepted", 30*time.Second, func() bool {
		c, err := y.database.counts()
		return err == nil && c.left() == 1 && c.delayed == 1
	})
	y.database.exec("UPDATE outbox.deferred SET due_at = now()") // as an operator would
	y.committed.committed([]message{{late, 1}})
	y.settle(time.Minute)
}
