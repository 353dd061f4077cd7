package bench

// memory.go measures how much memory a worker's process takes.

import (
	"context"
	"errors"
	"fmt"
)

// errNoWorker says that a scenario needs a process.
var errNoWorker = errors.New("starting a worker's process: its command is not known")

// memory is scenario Memory: a process of its own drains the table, so that what the
// benchmark itself remembers does not count.
func (b *bench) memory(ctx context.Context) ([]Row, error) {
	var rows []Row
	for _, sink := range b.relaySinks() {
		if sink == Webhook {
			continue // its receiver is in this process
		}
		all, err := b.inTurns(ctx, Memory, []measure{{sink, func(ctx context.Context) (result, error) { return b.memoryRun(ctx, sink) }}})
		if err != nil {
			return rows, err
		}
		rows = append(rows, all[0].summarize(Memory, sink, ""))
	}
	return rows, nil
}

func (b *bench) memoryRun(ctx context.Context, sink string) (r result, err error) {
	if err := b.reset(ctx); err != nil {
		return r, err
	}
	if err := b.fill(ctx, fillOutbox, b.Messages); err != nil {
		return r, err
	}
	j := b.job(sink)
	j.Messages = int64(b.Messages)
	var done report
	// what the clock measures includes starting the process
	r, err = b.clock(j.Messages, func() error {
		p, err := b.startProcess(ctx, &j)
		if err != nil {
			return err
		}
		done, err = p.wait()
		return err
	})
	if err != nil {
		return r, err
	}
	r.cpu, r.peak = done.CPU, done.PeakRSS
	if done.Delivered != j.Messages {
		return r, fmt.Errorf("checking the worker: it delivered %d of %d messages", done.Delivered, j.Messages)
	}
	if sink == RedisStream {
		err = b.checkStream(ctx, j.Messages)
	}
	return r, errors.Join(err, b.checkEmpty(ctx))
}
