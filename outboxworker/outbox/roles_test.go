package outbox

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproxy/weir/internal/testserver"
)

const (
	given    = `message_id, biz_id, topic, key, type, payload, headers, deliver_after`
	givenTo  = `gen_random_uuid(), 'b', 't', 'k', 'y', 'p', '{}', now()`
	insert   = `INSERT INTO outbox.message (` + given + `) VALUES (` + givenTo + `)`
	putBack  = `INSERT INTO outbox.message (` + given + `, created_at) VALUES (` + givenTo + `, now())`
	deferred = `INSERT INTO outbox.deferred (id, lane, state, message_id, topic, type, payload, created_at)
		VALUES (1, 0, 'parked', gen_random_uuid(), 't', '', '', now())`
	dead = `INSERT INTO outbox.dead (id, lane, reason, attempts, message_id, topic, type, payload, created_at)
		VALUES (1, 0, 'fatal', 1, gen_random_uuid(), 't', '', '', now())`
	delivered = `INSERT INTO outbox.delivered (id, message_id, topic, type, attempts, created_at)
		VALUES (1, gen_random_uuid(), 't', '', 1, now())`
)

// What each role needs, and what it must not be able to do.
var (
	producerMay = []string{
		insert,
		insert + ` RETURNING message_id`,
		`INSERT INTO outbox.message (topic, payload) VALUES ('t', '')`,
		`SELECT outbox.enqueue('t', 'x')`,
		`SELECT outbox.enqueue('t', '{}'::jsonb)`,
		`SELECT outbox.enqueue('t', '\x00'::bytea)`,
	}
	workerMay = []string{
		`SELECT version FROM outbox.migration`,
		`SELECT * FROM outbox.message`,
		`DELETE FROM outbox.message WHERE id = 1`,
		putBack,
		`SELECT last_value FROM outbox.message_id_seq`,
		`SELECT last_value FROM outbox.wake`,
		`SELECT setval('outbox.wake', 1)`,
		deferred, `SELECT * FROM outbox.deferred`, `UPDATE outbox.deferred SET attempts = 1`, `DELETE FROM outbox.deferred`,
		dead, `SELECT * FROM outbox.dead`, `UPDATE outbox.dead SET attempts = 1`, `DELETE FROM outbox.dead`,
		`SELECT * FROM outbox.paused_lane`,
		// as the relay does it
		`SELECT outbox.rotate_delivered('24 hours'); ` + delivered,
	}
	operatorMay = []string{
		`SELECT version FROM outbox.migration`, `SELECT * FROM outbox.message`,
		`SELECT last_value FROM outbox.message_id_seq`, `SELECT last_value FROM outbox.wake`,
		putBack, `SELECT outbox.enqueue('t', 'x')`,
		deferred, `SELECT * FROM outbox.deferred`, `UPDATE outbox.deferred SET attempts = 1`, `DELETE FROM outbox.deferred`,
		dead, `SELECT * FROM outbox.dead`, `UPDATE outbox.dead SET attempts = 1`, `DELETE FROM outbox.dead`,
		`INSERT INTO outbox.paused_lane (lane, reason) VALUES (1, 'r')`, `SELECT * FROM outbox.paused_lane`, `DELETE FROM outbox.paused_lane`,
		`INSERT INTO outbox.audit (run, actor, action, filter, reason, messages, message_ids)
			VALUES (gen_random_uuid(), 'ann', 'replay', '{}', 'r', 1, '{}')`,
		`SELECT * FROM outbox.audit`, `SELECT * FROM outbox.delivered`,
	}
	// Nobody but the owner may do this.
	never = []string{
		`INSERT INTO outbox.message (txid, topic, payload) VALUES ('3', 't', '')`,
		`INSERT INTO outbox.message (id, topic, payload) OVERRIDING SYSTEM VALUE VALUES (1, 't', '')`,
		`INSERT INTO outbox.message (lane, topic, payload) VALUES (0, 't', '')`,
		`UPDATE outbox.message SET topic = 'x'`,
		`TRUNCATE outbox.message`,
		`SELECT nextval('outbox.message_id_seq')`,
		`SELECT setval('outbox.message_id_seq', 1)`,
		`INSERT INTO outbox.migration (version) VALUES (2)`,
		`CREATE TABLE outbox.mine ()`,
		`UPDATE outbox.audit SET reason = ''`, `DELETE FROM outbox.audit`,
		`INSERT INTO outbox.audit (run, action, messages, login) VALUES (gen_random_uuid(), 'a', 1, 'somebody')`,
		`INSERT INTO outbox.audit (run, action, messages, at) VALUES (gen_random_uuid(), 'a', 1, now())`,
		`UPDATE outbox.paused_lane SET paused_at = now()`,
		`UPDATE outbox.delivered SET attempts = 0`, `DELETE FROM outbox.delivered`, `DROP TABLE outbox.delivered`,
		`DROP TRIGGER wake_relay ON outbox.message`,
	}
	producerNever = []string{
		putBack,
		`SELECT payload FROM outbox.message`, `SELECT id FROM outbox.message`, `SELECT * FROM outbox.message`,
		insert + ` RETURNING id`,
		`DELETE FROM outbox.message`, `DELETE FROM outbox.message WHERE message_id = gen_random_uuid()`,
		`SELECT * FROM outbox.deferred`, `DELETE FROM outbox.deferred`, deferred,
		`SELECT * FROM outbox.dead`, `DELETE FROM outbox.dead`, dead,
		`SELECT setval('outbox.wake', 1)`, `SELECT last_value FROM outbox.message_id_seq`,
		`SELECT * FROM outbox.migration`,
		`SELECT * FROM outbox.paused_lane`, `SELECT * FROM outbox.audit`, `SELECT * FROM outbox.delivered`,
		`SELECT outbox.rotate_delivered('1 hour')`,
	}
	// A worker decides about neither lanes nor what is recorded of operators.
	workerNever = []string{
		`SELECT outbox.enqueue('t', 'x')`,
		`INSERT INTO outbox.paused_lane (lane) VALUES (1)`, `DELETE FROM outbox.paused_lane`,
		`SELECT * FROM outbox.audit`, `INSERT INTO outbox.audit (run, action, messages) VALUES (gen_random_uuid(), 'a', 1)`,
		`SELECT * FROM outbox.delivered`,
	}
	operatorNever = []string{
		`DELETE FROM outbox.message`, `SELECT setval('outbox.wake', 1)`,
		delivered, `SELECT outbox.rotate_delivered('1 hour')`,
	}
)

func TestRights(t *testing.T) {
	dropRoles(t, "stranger")
	url := migrated(t)
	run(t, connect(t, url, ""), `CREATE ROLE stranger`)
	for _, role := range []struct {
		name        string
		may, mayNot []string
	}{
		{"outbox_producer", producerMay, slices.Concat(never, producerNever)},
		{"outbox_worker", workerMay, slices.Concat(never, workerNever)},
		{"outbox_operator", operatorMay, slices.Concat(never, operatorNever)},
		{"stranger", nil, slices.Concat(never, []string{insert, `SELECT outbox.enqueue('t', 'x')`, `SELECT message_id FROM outbox.message`})},
	} {
		conn := connect(t, url, role.name)
		for _, sql := range role.may {
			if err := attempt(t, conn, sql); err != nil {
				t.Errorf("%s cannot do what it needs: %v\n%s", role.name, err, sql)
			}
		}
		for _, sql := range role.mayNot {
			if err := attempt(t, conn, sql); !isDenied(err) {
				t.Errorf("%s is not denied: %v\n%s", role.name, err, sql)
			}
		}
	}
}

// attempt runs a statement and takes its effect back.
func attempt(t *testing.T, conn *pgx.Conn, sql string) error {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	_, err = tx.Exec(t.Context(), sql)
	return err
}

// isDenied reports whether the error is a lack of rights; lane alone is refused to
// everybody, since it is generated.
func isDenied(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "42501" || strings.Contains(refused.Message, `column "lane"`))
}

// TestRolesAreMadeElsewhereMeanwhile is what happens when two databases of a server are
// migrated at once.
func TestRolesAreMadeElsewhereMeanwhile(t *testing.T) {
	dropRoles(t, roleNames("meanwhile")...)
	elsewhere, watching := connect(t, testserver.Database(t), ""), connect(t, testserver.Database(t), "")
	tx, err := elsewhere.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "CREATE ROLE meanwhile_worker NOLOGIN"); err != nil {
		t.Fatal(err)
	}
	url := testserver.Database(t)
	conn, done := connect(t, url, ""), make(chan error, 1)
	go func() {
		_, err := Migrate(t.Context(), conn, "meanwhile")
		done <- err
	}()
	for waits := false; !waits; {
		waits = value[bool](t, watching, "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)", conn.PgConn().PID())
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	run(t, connect(t, url, "meanwhile_worker"), "SELECT * FROM meanwhile.message")
}

// TestEnqueueAsProducer shows that the package needs no more than the role has.
func TestEnqueueAsProducer(t *testing.T) {
	url := migrated(t)
	conn := connect(t, url, "outbox_producer")
	inTx(t, conn, func(tx pgx.Tx) error {
		if _, err := Enqueue(t.Context(), tx, Message{Topic: "t", Headers: map[string]string{"a": "b"}}); err != nil {
			return err
		}
		_, err := EnqueueBatch(t.Context(), tx, []Message{{Topic: "t"}, {Topic: "t", Key: "k"}})
		return err
	})
	tx, err := open(t, url+"&role=outbox_producer").Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := EnqueueBatch(t.Context(), tx, []Message{{Topic: "t"}, {Topic: "t", Key: "k"}}); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
}
