package bench

// servers.go holds the servers that are measured with.

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/localserver"
)

const (
	// schema is that of the outbox, plain that of all other tables.
	schema = "weir_bench"
	plain  = "weir_bench_plain"
	// keyPrefix begins the names of all keys in Redis.
	keyPrefix = "weir-bench"
	stream    = keyPrefix + ":events"

	closeWithin = 30 * time.Second
)

// settings are those of a private PostgreSQL: as durable as a server with data that
// matters, and with room between checkpoints.
var settings = map[string]string{
	"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
	"shared_buffers": "256MB", "max_wal_size": "4GB", "max_connections": "100",
}

// noDatabase stands for one where settings are only checked.
var noDatabase = new(pgx.ConnConfig)

// servers are those that are measured with. Private ones are not nil.
type servers struct {
	postgres *localserver.Postgres
	redis    *localserver.Redis

	database string // URL
	redisURL string
	// admin makes and fills tables, and looks at what is left.
	admin  *pgx.Conn
	stream *redis.Client
}

// openServers starts servers or connects to those that are given.
func openServers(ctx context.Context, o *Options) (*servers, error) {
	s := &servers{database: o.Database, redisURL: o.Redis}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

func (s *servers) open(ctx context.Context) (err error) {
	if s.database == "" {
		s.postgres, err = localserver.StartPostgres(ctx, localserver.PostgresOptions{Settings: settings})
		if err != nil {
			return err
		}
		s.database = s.postgres.URL("postgres")
	}
	if s.redisURL == "" {
		s.redis, err = localserver.StartRedis(ctx, localserver.RedisOptions{AppendFsync: "everysec"})
		if err != nil {
			return err
		}
		s.redisURL = s.redis.URL()
	}
	options, err := redis.ParseURL(s.redisURL)
	if err != nil {
		return errors.New("reading the URL of Redis: it is not of the form redis://user:password@host:port/database")
	}
	s.stream = redis.NewClient(options)
	if err := s.stream.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("connecting to Redis: %w", err)
	}
	if s.admin, err = pgx.Connect(ctx, s.database); err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	return nil
}

// close removes what was made, and ends private servers.
func (s *servers) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	var errs []error
	if s.admin != nil {
		if s.postgres == nil {
			errs = append(errs, s.dropSchemas(ctx))
		}
		errs = append(errs, s.admin.Close(ctx))
	}
	if s.stream != nil {
		if s.redis == nil {
			errs = append(errs, s.stream.Unlink(ctx, stream).Err())
		}
		errs = append(errs, s.stream.Close())
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Stop(ctx))
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cleaning up: %w", err)
	}
	return nil
}

// reconnect replaces an admin connection that was cut off, as by a context that ended
// during a statement.
func (s *servers) reconnect(ctx context.Context) (err error) {
	if s.admin != nil && !s.admin.IsClosed() {
		return nil
	}
	s.admin, err = pgx.Connect(ctx, s.database)
	return err
}

func (s *servers) dropSchemas(ctx context.Context) error {
	if err := s.reconnect(ctx); err != nil {
		return err
	}
	_, err := s.admin.Exec(ctx, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS "+schema+", "+plain+" CASCADE")
	return err
}

// describe reads what figures depend on.
func (s *servers) describe(ctx context.Context) (Environment, error) {
	e := machine()
	err := s.admin.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'),
		current_setting('synchronous_commit'), current_setting('shared_buffers'), current_setting('max_wal_size')`).
		Scan(&e.PostgreSQL, &e.Fsync, &e.ProducersSynchronousCommit, &e.SharedBuffers, &e.MaxWALSize)
	if err != nil {
		return e, fmt.Errorf("reading the settings of PostgreSQL: %w", err)
	}
	e.Private = s.postgres != nil
	info, err := s.stream.Info(ctx, "server", "persistence").Result()
	if err != nil {
		return e, fmt.Errorf("reading the version of Redis: %w", err)
	}
	e.Redis = field(info, "redis_version")
	e.AppendFsync = "no append-only file"
	if field(info, "aof_enabled") == "1" {
		// A server that hides its configuration is still measured.
		e.AppendFsync = "unknown"
		if values, err := s.stream.ConfigGet(ctx, "appendfsync").Result(); err == nil {
			e.AppendFsync = values["appendfsync"]
		}
	}
	return e, nil
}

// field is one line of what INFO answers.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// withDatabase is a URL or a list of words that leads to another database.
func withDatabase(given, database string) (string, error) {
	if !strings.HasPrefix(given, "postgres://") && !strings.HasPrefix(given, "postgresql://") {
		return given + " dbname=" + database, nil
	}
	parsed, err := url.Parse(given)
	if err != nil {
		return "", errors.New("reading the database's URL: not a URL")
	}
	parsed.Path = "/" + database
	return parsed.String(), nil
}
