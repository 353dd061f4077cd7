package outbox

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/testserver"
)

// An outbox is dumped, and restored on a server whose transaction ids are far below those
// that the messages have. What was pending, waited or was parked is delivered there, and in
// order before what is written there.
func TestARestoredOutboxIsDelivered(t *testing.T) {
	t.Parallel()
	shared := sharedPostgres(t)
	source := newDatabase(t, testserver.DatabaseOn(t, shared))
	y := newSystem(t, newReceiver(t, patience), settings{postgres: privatePostgres(t), laneTimeout: patientLane})
	target := y.database

	source.exec("DO $$ BEGIN FOR i IN 1..5000 LOOP COMMIT; PERFORM pg_current_xact_id(); END LOOP; END $$")
	y.producers.database = source
	for seq := 1; seq <= 3; seq++ {
		y.producers.enqueueAll([]message{{"a", seq}, {"b", seq}, {"c", seq}})
	}
	source.exec(`WITH m AS (DELETE FROM outbox.message WHERE key = 'a' RETURNING *)
		INSERT INTO outbox.deferred (id, lane, state, due_at, attempts, message_id, biz_id, topic, key, type, payload, headers, created_at)
		SELECT id, lane, CASE WHEN first THEN 'retry' ELSE 'parked' END, CASE WHEN first THEN now() END, 0,
			message_id, biz_id, topic, key, type, payload, headers, created_at
		FROM (SELECT *, id = min(id) OVER () AS first FROM m) AS m`)

	y.watch.end() // before its tables go
	target.exec("DROP SCHEMA outbox CASCADE")
	dump, err := exec.Command(filepath.Join(shared.BinDir(), "pg_dump"), "--schema=outbox", source.url).Output()
	if err != nil {
		t.Fatalf("dumping: %v", err)
	}
	restore := exec.Command(filepath.Join(shared.BinDir(), "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", target.url)
	restore.Stdin = bytes.NewReader(dump)
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("restoring: %v\n%s", err, out)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "verify", "-c", y.config).CombinedOutput(); err != nil {
		t.Errorf("verifying: %v\n%s", err, out)
	}

	y.producers.database = target
	y.producers.enqueueAll([]message{{"a", 4}, {"b", 4}, {"c", 4}})
	y.start("")
	y.settle(time.Minute)
}
