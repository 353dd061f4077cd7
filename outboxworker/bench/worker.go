package bench

// worker.go is what a worker's process does.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
)

// report is what a worker's process says, a line each time: once when it is ready, and
// once at its end.
type report struct {
	Ready     bool          `json:"ready"`
	Delivered int64         `json:"delivered"`
	PeakRSS   int64         `json:"peak_rss"`
	CPU       time.Duration `json:"cpu"`
}

// Work is a worker's process, which Options.Worker names. It reads from in what it is to
// do, and ends when it has done it or in is closed, as when its parent dies.
func Work(ctx context.Context, in io.Reader, out io.Writer, logger *zap.Logger) error {
	decoder := json.NewDecoder(in)
	var j job
	if err := decoder.Decode(&j); err != nil {
		return fmt.Errorf("reading what to do: %w", err)
	}
	to, err := j.openSink()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	m := newMeter(to, j.Keys)
	var round *round
	if j.Messages > 0 {
		round = m.expect(0, j.Messages)
	} else {
		m.expect(0, 0)
	}
	relay, err := j.start(ctx, m, 0, logger)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	err = work(ctx, relay, round, encoder)
	if err = errors.Join(err, relay.stop()); err != nil {
		return err
	}
	return encoder.Encode(report{Delivered: m.total.Load(), PeakRSS: peakRSS(), CPU: cpuTime()})
}

// work waits until all is done, or for the end of ctx if there is no end to the work.
func work(ctx context.Context, relay *relaying, round *round, to *json.Encoder) error {
	if err := relay.connected(ctx); err != nil {
		return err
	}
	if err := to.Encode(report{Ready: true}); err != nil {
		return fmt.Errorf("reporting: %w", err)
	}
	if round == nil {
		<-ctx.Done()
		return nil
	}
	return errors.Join(round.wait(ctx), round.check())
}
