package doctor

// holders.go looks for transactions that hold the outbox back.

import (
	"context"
	"time"
)

// holder is a row of holders.sql.
type holder struct {
	Kind, What string
	Seconds    *float64 // nil: there is no age
}

func (h holder) age() time.Duration {
	if h.Seconds == nil {
		return 0
	}
	return time.Duration(*h.Seconds * float64(time.Second)).Round(time.Second)
}

func (d *doctor) holders(ctx context.Context, s server) {
	found, err := query[holder](ctx, d, "holders", s.Database)
	if err != nil {
		d.failed("", "transactions", err)
		return
	}
	quiet := true
	for _, h := range found {
		if text, fix := h.complaint(); text != "" {
			quiet = false
			d.note("", "transactions", Warning, fix, "%s %s", h.What, text)
		}
	}
	if !quiet {
		return
	}
	if d.sees(ctx) {
		d.note("", "transactions", OK, "", "no old transaction holds back vacuum or the low-water mark")
		return
	}
	d.note("", "transactions", OK, "", "no old transaction that this role can see holds back vacuum or the low-water mark; "+
		"members of pg_read_all_stats see all")
}

// complaint says what is wrong with a holder, and what to do; nothing if it is young.
func (h holder) complaint() (text, fix string) {
	age := h.age().String()
	switch {
	case h.Kind == "prepared" && h.age() > longWriting:
		return "is open for " + age + ": vacuum cleans up nothing, and the low-water mark stands still, which slows batches down",
			"COMMIT PREPARED or ROLLBACK PREPARED it"
	case h.Kind == "writing" && h.age() > longWriting:
		return "writes in a transaction that is open for " + age + ": the low-water mark stands still, which slows batches down",
			"let it commit, or pg_terminate_backend() it; idle_in_transaction_session_timeout ends forgotten ones"
	case h.Kind == "snapshot" && h.age() > longSnapshot:
		return "has a snapshot for " + age + ": vacuum cleans up nothing that was deleted since",
			"let it end, or pg_terminate_backend() it; run long reports on a standby"
	case h.Kind == "slot":
		return "is inactive and holds back vacuum", "pg_drop_replication_slot() it if nobody needs it any more"
	}
	return "", ""
}

// sees tells whether the role is shown what others do.
func (d *doctor) sees(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var all bool
	err := d.conn.QueryRow(ctx, "SELECT pg_has_role('pg_read_all_stats', 'USAGE')").Scan(&all)
	return err == nil && all
}
