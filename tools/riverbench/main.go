// Command riverbench measures River, a job queue in PostgreSQL, by River's own
// benchmark: it makes River's tables, fills them with jobs that do nothing, has River
// work them off, and prints River's report. The last line has the jobs a second.
//
//	DATABASE_URL=postgres://... go run . --num-total-jobs 500000
//
// It is a yardstick for outboxworker bench --river. River's own command would do, but
// Go's module proxy has only an old version of it that the checksum database knows. The
// benchmark is from there, unchanged; the River that it measures is a recent one.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/cmd/river/riverbench"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

func main() {
	url := flag.String("database-url", os.Getenv("DATABASE_URL"),
		"the `URL` of a database that River's tables may be made in; without it DATABASE_URL says it")
	jobs := flag.Int("num-total-jobs", 500_000, "how many jobs are worked off")
	flag.Parse()
	if err := run(context.Background(), *url, *jobs); err != nil {
		fmt.Fprintln(os.Stderr, "riverbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string, jobs int) error {
	// with as many connections as River's command has
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer pool.Close()

	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: logger})
	if err != nil {
		return fmt.Errorf("preparing River's migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("making River's tables: %w", err)
	}
	return riverbench.NewBenchmarker(driver, &riverbench.Config{Logger: logger}).Run(ctx, 0, jobs)
}
