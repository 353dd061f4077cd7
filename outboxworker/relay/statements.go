package relay

// statements.go holds the SQL of a relay, one statement a file. That which operators need
// too is in the package outbox.

import (
	"embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

//go:embed sql/*.sql
var files embed.FS

// statements are the SQL of one outbox.
type statements struct {
	claim, look, due, dueAfter               string
	forget, deferral, bury                   string
	forgetWaiting, retryWaiting, buryWaiting string
	resume, promote, park, orphans, state    string
	keep, keepWaiting                        string
	probe, timers, timed                     string
	session, scouting                        string
	take                                     string // session, and the lane's lock
}

func newStatements(s *Settings) (*statements, error) {
	st := &statements{session: sessionSettings(s), scouting: planning(), promote: outbox.PromoteSQL(s.Schema)}
	st.take = st.session + ", set_config('outbox.claimed', pg_try_advisory_xact_lock($1)::text, true)"
	for name, to := range map[string]*string{
		"claim": &st.claim, "look": &st.look, "due": &st.due,
		"forget": &st.forget, "defer": &st.deferral, "bury": &st.bury,
		"forget_waiting": &st.forgetWaiting, "retry_waiting": &st.retryWaiting, "bury_waiting": &st.buryWaiting,
		"keep": &st.keep, "keep_waiting": &st.keepWaiting,
		"resume": &st.resume, "park": &st.park, "orphans": &st.orphans, "state": &st.state, "probe": &st.probe,
		"timers": &st.timers, "timed": &st.timed,
	} {
		text, err := files.ReadFile("sql/" + name + ".sql")
		if err != nil {
			return nil, fmt.Errorf("reading a statement: %w", err)
		}
		*to = strings.ReplaceAll(string(text), "{schema}", pgx.Identifier{s.Schema}.Sanitize())
	}
	st.dueAfter = strings.Replace(st.due, firstDue, dueAfter, 1)
	return st, nil
}

// dueAfter is the part of due that differs when it begins behind a message ($6, $7), by
// when it was due. Among those that are due at one time their ids decide then; to sort them
// takes too long for each batch, as all messages of a night may have one time.
const (
	firstDue = "AND due_at >= $6::timestamptz ORDER BY lane, due_at LIMIT $2"
	dueAfter = "AND (due_at, id) > ($6::timestamptz, $7::bigint) ORDER BY lane, due_at, id LIMIT $2"
)

// sessionSettings returns the statement that begins each transaction, since settings of
// a session do not last behind a pooler. The server ends a transaction whose worker
// stopped or was cut off, which frees the lane. The planner's are there because a
// queue swings between nothing and millions of rows: a plan that scans the table is
// never right, and one that was made while the table was empty, when all indexes look
// the same, must not be kept. Planning anew costs half a millisecond a batch.
func sessionSettings(s *Settings) string {
	timeout := s.LaneTimeout.Milliseconds()
	settings := []struct{ name, value string }{
		{"idle_in_transaction_session_timeout", fmt.Sprint(timeout)},
		{"statement_timeout", fmt.Sprint(timeout)},
		{"lock_timeout", fmt.Sprint(timeout / 2)},
		{"client_connection_check_interval", "2000"},
		{"tcp_user_timeout", fmt.Sprint(timeout)},
		{"tcp_keepalives_idle", "2"},
		{"tcp_keepalives_interval", "2"},
		{"tcp_keepalives_count", fmt.Sprint(max(1, timeout/2000-1))},
		{"synchronous_commit", s.SynchronousCommit},
	}
	calls := planning()
	for _, setting := range settings {
		calls += fmt.Sprintf(", set_config('%s', '%s', true)", setting.name, setting.value)
	}
	return calls
}

// planning returns the statement with the planner's settings, and with those of which
// depends what values look like as text, which is how they come where statements are not
// prepared.
func planning() string {
	return "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), " +
		"set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true), " +
		"set_config('plan_cache_mode', 'force_custom_plan', true), " +
		"set_config('datestyle', 'ISO', true), set_config('bytea_output', 'hex', true)"
}
