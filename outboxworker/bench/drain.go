package bench

// drain.go measures how fast a full table is emptied.

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// measure is something to be measured in turns with others.
type measure struct {
	name string
	run  func(context.Context) (result, error)
}

// inTurns runs each measure Runs times, and begins each round with another one.
func (b *bench) inTurns(ctx context.Context, scenario string, measures []measure) ([]results, error) {
	all := make([]results, len(measures))
	for run := range b.Runs {
		for i := range measures {
			at := (run + i) % len(measures)
			m := &measures[at]
			r, err := m.run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			all[at] = append(all[at], r)
			b.say("%s, run %d of %d, %s: %.0f/s", scenario, run+1, b.Runs, m.name, r.rate())
		}
	}
	return all, nil
}

// drains is scenario Drain.
func (b *bench) drains(ctx context.Context) ([]Row, error) {
	var measures []measure
	for _, name := range b.Sinks {
		run := func(ctx context.Context) (result, error) { return b.drain(ctx, name, b.Messages, nil) }
		if name == Bare {
			run = b.drainBare
		}
		measures = append(measures, measure{name, run})
	}
	if len(b.Options.River) > 0 {
		measures = append(measures, measure{River, b.drainRiver})
	}
	all, err := b.inTurns(ctx, Drain, measures)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, m := range measures {
		row := all[i].summarize(m.name, m.name, "")
		for other, yardstick := range measures {
			if (yardstick.name == Bare || yardstick.name == River) && other != i && m.name != River {
				setRatio(&row, yardstick.name, all[i].ratio(all[other]))
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func setRatio(row *Row, name string, ratio float64) {
	if row.Ratios == nil {
		row.Ratios = make(map[string]float64)
	}
	row.Ratios[name] = ratio
}

// drain fills the outbox and measures how long a relay takes to empty it. before, if it
// is not nil, is called before the table is filled.
func (b *bench) drain(ctx context.Context, name string, messages int, before func(context.Context) error) (r result, err error) {
	if err := b.reset(ctx); err != nil {
		return r, err
	}
	if before != nil {
		if err := before(ctx); err != nil {
			return r, err
		}
	}
	base, err := b.lastID(ctx)
	if err != nil {
		return r, err
	}
	if err := b.fill(ctx, fillOutbox, messages); err != nil {
		return r, err
	}
	target, err := b.open(name)
	if err != nil {
		return r, err
	}
	defer target.close()
	m := newMeter(target, b.Keys)
	round := m.expect(base, int64(messages))
	r, err = b.clock(int64(messages), func() error {
		j := b.job(name)
		relay, err := j.start(ctx, m, 0, b.Logger)
		if err != nil {
			return err
		}
		return errors.Join(round.wait(ctx), relay.stop())
	})
	if err != nil {
		return r, err
	}
	return r, errors.Join(round.check(), b.checkEmpty(ctx), target.check(ctx, int64(messages)))
}

// clock measures f.
func (b *bench) clock(messages int64, f func() error) (result, error) {
	began, cpu := time.Now(), cpuTime()
	err := f()
	return result{messages: messages, elapsed: time.Since(began), cpu: cpuTime() - cpu}, err
}
