package config

// timers.go holds where the retries of an outbox have their timers.

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

// Timers returns the queue of timers of the outbox's relay, whose database is given, or nil
// if it shall have none.
func (o *Outbox) Timers(client redis.UniversalClient, database *pgx.ConnConfig, logger *zap.Logger) (*retryqueue.Queue, error) {
	if !o.Retry.Timers {
		return nil, nil
	}
	name := o.Retry.Queue
	if name == "" {
		name = queueName(database, o.Schema)
	}
	q, err := retryqueue.New(client, name, logger)
	if err != nil {
		return nil, fmt.Errorf("retry.queue: %w", err)
	}
	return q, nil
}

// queueName returns <database>.<schema>. Characters that a queue's name cannot have are
// written as : and their bytes in hex, so that different databases have different names.
func queueName(database *pgx.ConnConfig, schema string) string {
	name := database.Database
	if name == "" {
		name = database.User // as the server does
	}
	return escaped(name) + "." + escaped(schema)
}

func escaped(text string) string {
	var to strings.Builder
	for _, b := range []byte(text) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '_', b == '-':
			to.WriteByte(b)
		default:
			fmt.Fprintf(&to, ":%02x", b)
		}
	}
	return to.String()
}

// checkQueues checks the names of queues, and that no two outboxes share one, also where one
// has it by default.
func (c *Config) checkQueues(p *problems) {
	seen := make(map[string]int)
	if database, err := c.Database.ConnConfig(); err == nil {
		for i := range c.Outboxes {
			if o := &c.Outboxes[i]; o.Retry.Timers && o.Retry.Queue == "" {
				seen[queueName(database, o.Schema)] = i
			}
		}
	}
	for i := range c.Outboxes {
		name, key := c.Outboxes[i].Retry.Queue, fmt.Sprintf("outboxes[%d].retry.queue", i)
		if name == "" {
			continue
		}
		if _, err := retryqueue.New(nil, name, zap.NewNop()); err != nil {
			p.at(key, "it is not up to 200 letters, digits and _ . : -")
		}
		if first, twice := seen[name]; twice {
			p.at(key, "outboxes[%d] has the queue %q too; an outbox needs one of its own", first, cut(name))
			continue
		}
		seen[name] = i
	}
}
