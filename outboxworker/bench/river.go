package bench

// river.go runs the benchmark of another queue, River, on the same server.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// riverDatabase is the database that River's tables are made in.
const riverDatabase = "weir_bench_river"

// riverReport is the last line that River's benchmark prints.
var riverReport = regexp.MustCompile(`total jobs worked \[\s*(\d+) \].*overall job/sec \[\s*([0-9.]+) \]`)

// drainRiver has River work off as many jobs, which do nothing, as there are messages.
// River measures itself: from when all jobs are there until the last is completed.
func (b *bench) drainRiver(ctx context.Context) (r result, err error) {
	if err := b.reset(ctx); err != nil {
		return r, err
	}
	drop := "DROP DATABASE IF EXISTS " + riverDatabase
	for _, statement := range []string{drop, "CREATE DATABASE " + riverDatabase} {
		if _, err := b.admin.Exec(ctx, statement); err != nil {
			return r, fmt.Errorf("making a database for River: %w", err)
		}
	}
	defer func() {
		_, dropErr := b.admin.Exec(context.WithoutCancel(ctx), drop+" WITH (FORCE)")
		err = errors.Join(err, dropErr)
	}()
	database, err := withDatabase(b.database, riverDatabase)
	if err != nil {
		return r, err
	}
	command := b.Options.River
	args := append(command[1:len(command):len(command)], "--num-total-jobs", strconv.Itoa(b.Messages))
	cmd := exec.CommandContext(ctx, command[0], args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+database)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	ownGroup(cmd)
	cmd.WaitDelay = closeWithin
	if err := cmd.Run(); err != nil {
		return r, fmt.Errorf("running %s: %w\n%s", command[0], err, bytes.TrimSpace(problems.Bytes()))
	}
	return readRiver(out.Bytes(), int64(b.Messages))
}

// readRiver reads River's report.
func readRiver(out []byte, want int64) (result, error) {
	found := riverReport.FindSubmatch(out)
	if found == nil {
		return result{}, errors.New("reading River's report: it has no line with total jobs worked and overall job/sec")
	}
	jobs, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil || jobs != want {
		return result{}, fmt.Errorf("reading River's report: it worked %s of %d jobs", found[1], want)
	}
	rate, err := strconv.ParseFloat(string(found[2]), 64)
	if err != nil || rate <= 0 {
		return result{}, fmt.Errorf("reading River's report: %q is no rate", found[2])
	}
	return result{messages: jobs, elapsed: time.Duration(float64(jobs) / rate * float64(time.Second))}, nil
}
