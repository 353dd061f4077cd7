package outbox

// migrate.go brings the schema of an outbox up to date, and says which version it has.

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// SchemaVersion is the version of the schema that this package makes and uses. A
// worker also runs on the next one, so that a schema can be migrated before its
// workers are replaced.
const SchemaVersion = 2

// minServer is the oldest version of PostgreSQL that is supported, as
// server_version_num has it.
const minServer = 150000

//go:embed sql/0001_outbox.sql
var version1 string

//go:embed sql/0002_operation.sql
var version2 string

// migrations are the versions in their order, from 1.
var migrations = [SchemaVersion]string{version1, version2}

// VersionError says that a schema has a version that this package cannot use. Waiting
// does not mend it.
type VersionError struct {
	Schema string
	// Version is what was found; 0 means that there is no outbox.
	Version int
}

// Error says what to do.
func (e *VersionError) Error() string {
	found := fmt.Sprintf("it has version %d", e.Version)
	if e.Version == 0 {
		found = "there is no outbox in it"
	}
	if e.Version < SchemaVersion {
		return fmt.Sprintf("checking schema %s: %s, version %d is needed: run outboxworker migrate up",
			e.Schema, found, SchemaVersion)
	}
	return fmt.Sprintf("checking schema %s: %s, versions %d and %d can be used: run a newer outboxworker",
		e.Schema, found, SchemaVersion, SchemaVersion+1)
}

// Migrate brings the outbox in a schema to SchemaVersion and returns the versions that
// it applied, none if it was there or beyond. Each version is one transaction, and
// several processes may migrate at once. It needs PostgreSQL 15 or later, a database
// encoded in UTF-8, and a user who may create the schema or owns it.
//
// Then it makes the roles <schema>_producer, <schema>_worker and <schema>_operator and
// grants them what they need. If the user may not make roles, the error is a
// *RolesError: the outbox is there all the same, and can be used by its owner.
func Migrate(ctx context.Context, conn *pgx.Conn, schema string) (applied []int, err error) {
	if err := checkSchema(schema); err != nil {
		return nil, err
	}
	if err := checkServer(ctx, conn); err != nil {
		return nil, err
	}
	// Most calls find nothing to do, and need no right to do it.
	version, err := Version(ctx, conn, schema)
	for err == nil && version < SchemaVersion {
		var did bool
		version, did, err = migrateNext(ctx, conn, schema)
		if err == nil && did {
			applied = append(applied, version)
		}
	}
	if err != nil {
		return applied, err
	}
	return applied, ensureRoles(ctx, conn, schema, len(applied) > 0)
}

// migrateNext applies the next version, unless another process has. It returns the
// version that there is then.
func migrateNext(ctx context.Context, conn *pgx.Conn, schema string) (version int, did bool, err error) {
	err = exclusively(ctx, conn, schema, func(tx pgx.Tx) error {
		if version, err = readVersion(ctx, tx, schema); err != nil || version >= SchemaVersion {
			return err
		}
		did = true
		version++
		_, err = tx.Exec(ctx, expand(migrations[version-1], schema)+recorded(schema, version))
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("migrating schema %s: %w", schema, err)
	}
	return version, did, nil
}

// exclusively runs f in a transaction that no other migration of the schema runs beside.
func exclusively(ctx context.Context, conn *pgx.Conn, schema string, f func(pgx.Tx) error) error {
	// What was done while the lock was waited for is seen in READ COMMITTED alone.
	options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
	return pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, locked(schema)); err != nil {
			return err
		}
		return f(tx)
	})
}

func locked(schema string) string {
	return fmt.Sprintf("SELECT pg_advisory_xact_lock(hashtextextended('weir outbox %s', 0));\n", schema)
}

func recorded(schema string, version int) string {
	return fmt.Sprintf("\nINSERT INTO %s.migration (version) VALUES (%d);\n", quoted(schema), version)
}

// expand puts the names of a schema into SQL.
func expand(sql, schema string) string {
	return strings.NewReplacer(
		"{schema}", quoted(schema),
		"{name}", schema,
		"{producer}", quoted(schema+"_producer"),
		"{worker}", quoted(schema+"_worker"),
		"{operator}", quoted(schema+"_operator"),
	).Replace(sql)
}

func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var encoding string
	err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").
		Scan(&version, &encoding)
	if err != nil {
		return fmt.Errorf("reading the version of PostgreSQL: %w", err)
	}
	return supported(version, encoding)
}

func supported(version int, encoding string) error {
	if version < minServer {
		return fmt.Errorf("checking PostgreSQL: it has version %d, version %d or later is needed", version/10000, minServer/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("checking PostgreSQL: the database is encoded in %s, UTF8 is needed", encoding)
	}
	return nil
}

// Version returns the version of the outbox in a schema, 0 if there is none.
func Version(ctx context.Context, conn *pgx.Conn, schema string) (int, error) {
	if err := checkSchema(schema); err != nil {
		return 0, err
	}
	version, err := readVersion(ctx, conn, schema)
	if err != nil {
		return 0, fmt.Errorf("reading the version of schema %s: %w", schema, err)
	}
	return version, nil
}

// CheckVersion returns nil if the outbox in a schema is one that this package can use,
// of SchemaVersion or the next, and a *VersionError if it is not.
func CheckVersion(ctx context.Context, conn *pgx.Conn, schema string) error {
	version, err := Version(ctx, conn, schema)
	if err != nil {
		return err
	}
	if version < SchemaVersion || version > SchemaVersion+1 {
		return &VersionError{schema, version}
	}
	return nil
}

// querier is a connection, or a transaction on one.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readVersion(ctx context.Context, db querier, schema string) (version int, err error) {
	// Not to_regclass: in a transaction that waited for another's migration, it still
	// answers from its cache that there is nothing.
	var there bool
	err = db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'migration')", schema).
		Scan(&there)
	if err != nil || !there {
		return 0, err
	}
	err = db.QueryRow(ctx, "SELECT COALESCE(max(version), 0) FROM "+quoted(schema)+".migration").Scan(&version)
	return version, err
}

// SQL returns what Migrate runs on an empty schema, for psql or another tool: every
// version, each in a transaction of its own, and, if roles is true, the roles with
// their rights. It is run once; a second run fails and changes nothing.
func SQL(schema string, roles bool) (string, error) {
	if err := checkSchema(schema); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- The outbox in schema %s, version %d, for PostgreSQL %d or later.\n", schema, SchemaVersion, minServer/10000)
	begin := "\nBEGIN;\n" + locked(schema)
	for i, sql := range migrations {
		b.WriteString(begin + expand(sql, schema) + recorded(schema, i+1) + "COMMIT;\n")
	}
	if roles {
		b.WriteString(begin + expand(rolesSQL+grantsSQL, schema) + "COMMIT;\n")
	}
	return b.String(), nil
}
