package cli

// migrate.go has the command migrate, with up, status and sql.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/config"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

const connectTimeout = 10 * time.Second

// migration is what the commands of migrate are told.
type migration struct {
	process Process
	file    string
	schemas []string
}

func newMigrate(process Process) *cobra.Command {
	group := newGroup("migrate", "Make the schemas of outboxes and bring them up to date")
	group.Long = "migrate works on the schemas that --schema names, or else on those of the configuration, or else on " +
		outbox.DefaultSchema + ". It connects to database.url of the configuration or to " + config.Prefix + "DATABASE_URL, " +
		"as a role that may create the schema or owns it; the worker's own role needs neither."
	group.AddCommand(newMigrateUp(process), newMigrateStatus(process), newMigrateSQL(process))
	return group
}

func newMigrateUp(process Process) *cobra.Command {
	m := &migration{process: process}
	command := &cobra.Command{
		Use:   "up",
		Short: "Bring schemas up to date; several processes may at once",
		Args:  noArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return m.each(command.Context(), m.up) },
	}
	m.flags(command)
	return command
}

func newMigrateStatus(process Process) *cobra.Command {
	m := &migration{process: process}
	command := &cobra.Command{
		Use:   "status",
		Short: "Show the versions of schemas; exit 1 unless this worker can use them",
		Args:  noArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return m.each(command.Context(), m.status) },
	}
	m.flags(command)
	return command
}

func newMigrateSQL(process Process) *cobra.Command {
	var schema string
	var roles bool
	command := &cobra.Command{
		Use:   "sql",
		Short: "Print the SQL of up, for psql or another tool for migrations",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			sql, err := outbox.SQL(schema, roles)
			if err != nil {
				return &usageError{err}
			}
			_, err = fmt.Fprint(process.Out, sql)
			return err
		},
	}
	command.Flags().StringVar(&schema, "schema", outbox.DefaultSchema, "`name` of the schema")
	command.Flags().BoolVar(&roles, "roles", false, "also make the roles of producers, workers and operators, and grant them their rights")
	return command
}

func (m *migration) flags(command *cobra.Command) {
	configFlag(command, &m.file)
	command.Flags().StringSliceVar(&m.schemas, "schema", nil, "`name` of a schema; may be repeated")
}

// each connects and does one thing with each schema. A schema that fails does not keep
// the others from their turn.
func (m *migration) each(ctx context.Context, do func(context.Context, *pgx.Conn, string) error) error {
	c, err := config.LoadDatabase(m.file, m.process.Environ)
	if err != nil {
		return err
	}
	if len(m.schemas) == 0 {
		for _, o := range c.Outboxes {
			m.schemas = append(m.schemas, o.Schema)
		}
	}
	if len(m.schemas) == 0 {
		m.schemas = []string{outbox.DefaultSchema}
	}
	conn, err := connect(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	var failed []error
	for _, schema := range m.schemas {
		failed = append(failed, do(ctx, conn, schema))
	}
	return errors.Join(failed...)
}

func connect(ctx context.Context, database *config.Database) (*pgx.Conn, error) {
	settings, err := database.ConnConfig()
	if err != nil {
		return nil, fmt.Errorf("reading database.url: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return conn, nil
}

// up migrates a schema. Roles that could not be made are told, and no error: the
// owner can work without them.
func (m *migration) up(ctx context.Context, conn *pgx.Conn, schema string) error {
	applied, err := outbox.Migrate(ctx, conn, schema)
	for _, version := range applied {
		_, _ = fmt.Fprintf(m.process.Out, "%s: migrated to version %d\n", schema, version)
	}
	if roles := (*outbox.RolesError)(nil); errors.As(err, &roles) {
		_, _ = fmt.Fprintf(m.process.Err, "%s: warning: %v\n", schema, err)
		err = nil
	}
	if err == nil && len(applied) == 0 {
		_, _ = fmt.Fprintf(m.process.Out, "%s: up to date\n", schema)
	}
	return err
}

// status shows the version of a schema.
func (m *migration) status(ctx context.Context, conn *pgx.Conn, schema string) error {
	version, err := outbox.Version(ctx, conn, schema)
	if err != nil {
		return err
	}
	if err := outbox.CheckVersion(ctx, conn, schema); err != nil {
		return err
	}
	_, err = fmt.Fprintf(m.process.Out, "%s: version %d, this worker knows version %d\n", schema, version, outbox.SchemaVersion)
	return err
}
