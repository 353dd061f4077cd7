package operator

// verify.go checks on a live database what the rest relies on.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// violationsCounted is the most violations of an invariant that are counted, and
	// examplesShown how many are named.
	violationsCounted = 1000
	examplesShown     = 5
)

// Check is one invariant and what was found of it.
type Check struct {
	// Name is short and stays the same, as one_place.
	Name string `json:"name"`
	// Meaning says what must hold.
	Meaning string `json:"meaning"`
	// OK tells that it holds.
	OK bool `json:"ok"`
	// Violations is how many rows or objects break it, counted up to 1000, and
	// Examples names some of them.
	Violations int      `json:"violations,omitempty"`
	Examples   []string `json:"examples,omitempty"`
	// Fix says what to do if it does not hold.
	Fix string `json:"fix,omitempty"`
	// Err says why the check could not be made, as because it took too long. Then OK
	// is false.
	Err string `json:"error,omitempty"`
}

// Verify checks the invariants of an outbox while it is being worked on; the order and
// the names of the checks stay the same. It returns an error only if it could not begin,
// or ctx is done.
//
// All checks read one moment, in one transaction: between two statements of READ COMMITTED
// a message may move from one table to another, and would seem to be in both, or in none.
// That transaction only reads and takes no lock that anybody waits for, but as long as it
// lasts, the server keeps what others remove. Each check has the time for a statement.
func (o *Operator) Verify(ctx context.Context) ([]Check, error) {
	var checks []Check
	err := o.reading(ctx, func(tx pgx.Tx) error {
		// Few rows are looked up in great tables, of which there are no statistics.
		if _, err := tx.Exec(ctx, "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"); err != nil {
			return err
		}
		for _, i := range invariants {
			check, err := o.verify(ctx, tx, i)
			if err != nil {
				return err
			}
			checks = append(checks, check)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("verifying the outbox: %w", err)
	}
	return checks, nil
}

// verify checks one invariant, in a transaction of its own within tx, so that one that
// cannot be checked does not end the others.
func (o *Operator) verify(ctx context.Context, tx pgx.Tx, i invariant) (Check, error) {
	check := Check{Name: i.name, Meaning: i.meaning}
	var found []string
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, o.sql["verify_"+i.name], violationsCounted)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	var answer *pgconn.PgError
	switch {
	case outOfTime(err):
		check.Err = fmt.Sprintf("it took longer than %s", o.waits.statement)
		check.Fix = "verify again at a quieter time"
	case errors.As(err, &answer):
		check.Err = answer.Message
		check.Fix = "see the error"
	case err != nil:
		return check, err
	case len(found) > 0:
		check.Violations, check.Examples = len(found), found[:min(len(found), examplesShown)]
		check.Fix = strings.ReplaceAll(i.fix, "{schema}", o.schema)
	default:
		check.OK = true
	}
	return check, nil
}
