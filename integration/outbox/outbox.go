// Package outbox tests the worker's binary against real PostgreSQL, real Redis and a
// receiver of webhooks, while all of them are killed, stopped, cut off and overfed.
//
// A system is a database with an outbox, producers that fill it, worker processes that
// drain it, and a target that they deliver to. Producers keep a journal of what they
// committed, the target keeps one of what arrived, and at the end evidence compares
// both with what the tables hold: nothing lost, nothing that nobody sent, each key in
// order, and no more duplicates than the faults explain.
//
// A scenario runs briefly in every test run. Its full counts are in tests named
// TestSoak..., which run with WEIR_SOAK=1.
//
// The package depends on pgx and go-redis to see what is in the database and in the
// streams, and on google/uuid for the ids of transactions.
package outbox
