package dev

// show.go writes what goes on.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// stream is where the sink's default settings lead the topic.
const stream = "events:" + topic

// welcome says where everything is and what one can try.
func (d *demo) welcome() error {
	psql, url := d.psql(), d.postgres.URL(database)
	kept := "temporary, gone at the end"
	if d.Data != "" {
		kept = "kept in " + d.Data
	}
	_, err := fmt.Fprintf(d.Out, `PostgreSQL  %s
Redis       %s
databases   %s

Orders change %g times a second; each change and its event are one transaction. The relay delivers the events to
stream %s. To try:

  %s '%s' -c 'SELECT key, type, created_at FROM outbox.message ORDER BY id LIMIT 5'
  %s '%s' -c "SELECT outbox.enqueue(topic => '%s', key => 'order-1', type => 'order.noted', payload => '{\"by\": \"hand\"}'::jsonb)"
  redis-cli -p %d XREVRANGE %s + - COUNT 3

Ctrl-C ends it.

`, url, d.redis.URL(), kept, d.Rate, stream, psql, url, psql, url, topic, d.redis.Port(), stream)
	if err != nil {
		return fmt.Errorf("writing the welcome: %w", err)
	}
	return nil
}

// psql is how psql is called here: it may be installed outside of PATH, beside the
// server.
func (d *demo) psql() string {
	beside := filepath.Join(d.postgres.BinDir(), "psql")
	if _, err := exec.LookPath("psql"); err != nil {
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return "psql"
}

// show writes a line each second, on a terminal always over the last one.
func (d *demo) show(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	before, after := "", "\n"
	if terminal(d.Out) {
		before, after = "\r\033[K", ""
	}
	for {
		select {
		case <-ctx.Done():
			if after == "" {
				_, _ = fmt.Fprintln(d.Out)
			}
			return nil
		case <-ticker.C:
		}
		line, err := d.line(ctx)
		if err != nil && ctx.Err() != nil {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprint(d.Out, before, line, after); err != nil {
			return fmt.Errorf("writing counts: %w", err)
		}
	}
}

func (d *demo) line(ctx context.Context) (string, error) {
	length, err := d.stream.XLen(ctx, stream).Result()
	if err != nil {
		return "", fmt.Errorf("reading the length of the stream: %w", err)
	}
	return fmt.Sprintf("produced %d   relayed %d   stream %d   latency p50 %s", d.producer.produced.Load(), d.meter.relayed(), length,
		d.meter.median().Round(10*time.Microsecond)), nil
}

// farewell writes the last counts.
func (d *demo) farewell(ctx context.Context) error {
	line, err := d.line(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(d.Out, line); err != nil {
		return fmt.Errorf("writing counts: %w", err)
	}
	return nil
}

// terminal tells whether lines can be written over.
func terminal(out any) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
