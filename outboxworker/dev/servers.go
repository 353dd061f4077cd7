package dev

// servers.go holds the private servers.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weirproxy/weir/outboxworker/localserver"
)

// database is the one that PostgreSQL always has.
const database = "postgres"

// stopWithin bounds ending each server, whatever ended the rest.
const stopWithin = 20 * time.Second

// servers are the private servers; nil if they do not run.
type servers struct {
	postgres *localserver.Postgres
	redis    *localserver.Redis
}

// start starts both servers, and looks for the second before it starts the first. What
// it returns is to be stopped also after an error.
func start(ctx context.Context, o *Options) (*servers, error) {
	s := new(servers)
	if o.RedisServer == "" {
		if _, err := localserver.FindRedis(); err != nil {
			return s, err
		}
	}
	postgres := localserver.PostgresOptions{BinDir: o.PostgresBin}
	redis := localserver.RedisOptions{Binary: o.RedisServer, AppendFsync: "everysec"}
	if o.Data != "" {
		if err := os.MkdirAll(o.Data, 0o755); err != nil {
			return s, fmt.Errorf("making the folder of the databases: %w", err)
		}
		postgres.Dir, redis.Dir = filepath.Join(o.Data, "postgres"), filepath.Join(o.Data, "redis")
	}
	var err error
	if s.postgres, err = localserver.StartPostgres(ctx, postgres); err != nil {
		return s, err
	}
	s.redis, err = localserver.StartRedis(ctx, redis)
	return s, err
}

// stop ends the servers and removes temporary folders.
func (s *servers) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	var errs []error
	if s.redis != nil {
		errs = append(errs, s.redis.Stop(ctx))
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop(ctx))
	}
	return errors.Join(errs...)
}
