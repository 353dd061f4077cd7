package operator

// command.go holds what a change is, and how it is asked for.

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// DefaultMaxReplays is how often a message is replayed before that is refused.
const DefaultMaxReplays = 5

// Options are how a change is made.
type Options struct {
	// DryRun counts what would be changed, and changes nothing.
	DryRun bool
	// Rate is the most messages a second. 0: as many as can be.
	Rate float64
	// Limit is the most messages that are changed, of those that match the first by their
	// positions. 0: no limit.
	Limit int
	// Run tells the transactions of one command together in the table audit. Zero: a
	// new one.
	Run uuid.UUID
	// MaxReplays refuses to replay messages that were replayed so often before, which
	// would go round for ever. 0: DefaultMaxReplays; below 0: no guard. For Replay.
	MaxReplays int
}

// Result is what a change came to.
type Result struct {
	// Run is the one in the table audit.
	Run uuid.UUID `json:"run"`
	// Matched is how many messages, or keys, the filter selected when the command
	// began, and Changed how many were changed.
	Matched int64 `json:"matched"`
	Changed int64 `json:"changed"`
	// Skipped is how many were left as they are, by the reason: "changed" are those that
	// no longer matched when their lane was taken; each command has its own beside it.
	Skipped map[string]int64 `json:"skipped,omitempty"`
}

// picked is a message that a command selected, or the head of a key.
type picked struct {
	id   int64
	lane int16
	uuid uuid.UUID
	key  *string
	// verdict says why it is left as it is; empty if it is changed.
	verdict string
}

// command is one kind of change.
type command struct {
	action string
	source *source
	// byKey tells that rows are those of blocked keys. They are found by their keys, too,
	// and are selected all at once: when a key goes on it has another head.
	byKey bool
	// verdict is the SQL of picked.verdict.
	verdict func(*conditions) string
	// apply changes what was picked in a lane that is taken.
	apply func(ctx context.Context, tx pgx.Tx, lane int16, chosen []picked) error
}

// run makes a change. What matches and dies, or begins to wait, after it began is left
// alone, so that it comes to an end. When ctx is done, it returns what was done until then.
func (o *Operator) run(ctx context.Context, cmd *command, filter Filter, options Options) (Result, error) {
	result := Result{Run: options.Run, Skipped: make(map[string]int64)}
	if result.Run == (uuid.UUID{}) {
		run, err := uuid.NewV7()
		if err != nil {
			return result, fmt.Errorf("drawing an id: %w", err)
		}
		result.Run = run
	}
	began, err := o.count(ctx, cmd, &filter, &result)
	if err != nil || options.DryRun {
		return result, err
	}
	clear(result.Skipped)
	bounded := filter
	if bounded.Until.IsZero() || bounded.Until.After(began) {
		bounded.Until = began
	}
	r := &running{o: o, cmd: cmd, filter: &filter, bounded: &bounded, options: &options, result: &result}
	for last := int64(math.MinInt64); ; {
		chunk, err := r.chunk(ctx, last)
		if err != nil || len(chunk) == 0 {
			return result, err
		}
		last = chunk[len(chunk)-1].id
		if done, err := r.work(ctx, chunk); err != nil || done || cmd.byKey {
			return result, err
		}
	}
}

// count fills in what matches, and returns the time of the server.
func (o *Operator) count(ctx context.Context, cmd *command, filter *Filter, result *Result) (began time.Time, err error) {
	where, err := filter.where(cmd.source)
	if err != nil {
		return began, err
	}
	sql := fmt.Sprintf("SELECT %s AS verdict, count(*) FROM %s WHERE %s GROUP BY 1", cmd.verdict(where), o.expand(cmd.source.from), where)
	err = o.reading(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&began); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql, where.args...)
		if err != nil {
			return err
		}
		var verdict string
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&verdict, &n}, func() error {
			result.Matched += n
			if verdict != "" {
				result.Skipped[verdict] += n
			}
			return nil
		})
		return err
	})
	if err != nil {
		return began, o.tooLong("counting what is selected", err)
	}
	return began, nil
}

// never is the verdict of commands that change all that they select.
func never(*conditions) string { return "''" }

func ids(all []picked) []int64 {
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].id
	}
	return ids
}

// keys returns the keys of messages, those that have one.
func keys(all []picked) []string {
	keys := make([]string, 0, len(all))
	for i := range all {
		if all[i].key != nil {
			keys = append(keys, *all[i].key)
		}
	}
	return keys
}

// promote lets keys go on: the first parked message of each is due, unless another of its
// key is tried, or a dead one holds it.
func (o *Operator) promote(ctx context.Context, tx pgx.Tx, lane int16, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, o.sql["promote"], lane, keys); err != nil {
		return fmt.Errorf("letting keys go on: %w", err)
	}
	return nil
}
