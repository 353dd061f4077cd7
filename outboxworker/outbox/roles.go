package outbox

// roles.go makes the roles of an outbox, and grants them what they need.

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/roles.sql
var rolesSQL string

//go:embed sql/grants.sql
var grantsSQL string

// RolesError says that an outbox was migrated, but that the user may not make the roles
// that are missing.
type RolesError struct {
	Schema  string
	Missing []string
	// SQL makes the roles. After an administrator has run it, the next Migrate
	// grants them their rights.
	SQL string
}

// Error says what to do.
func (e *RolesError) Error() string {
	return fmt.Sprintf("making the roles of schema %s: this user may not make roles: let an administrator run %q, then migrate again",
		e.Schema, e.SQL)
}

// roleNames are the roles of an outbox.
func roleNames(schema string) []string {
	return []string{schema + "_producer", schema + "_worker", schema + "_operator"}
}

// ensureRoles makes the roles that are missing, and grants rights if the schema has
// changed or some role has none.
func ensureRoles(ctx context.Context, conn *pgx.Conn, schema string, changed bool) error {
	missing, ungranted, err := lackingRoles(ctx, conn, schema)
	if err == nil && len(missing) > 0 {
		err = mayMakeRoles(ctx, conn, schema, missing)
	}
	if err != nil || len(ungranted) == 0 && !changed {
		return err
	}
	err = exclusively(ctx, conn, schema, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, expand(rolesSQL+grantsSQL, schema))
		return err
	})
	if err != nil {
		return fmt.Errorf("granting the roles of schema %s their rights: %w", schema, err)
	}
	return nil
}

// lackingRoles returns the roles that there are not, and those that may not even use the
// schema. All rights are granted in one transaction, so who may use it has the others.
func lackingRoles(ctx context.Context, conn *pgx.Conn, schema string) (missing, ungranted []string, err error) {
	for _, role := range roleNames(schema) {
		var there, granted bool
		err := conn.QueryRow(ctx, fmt.Sprintf(`SELECT r.oid IS NOT NULL, COALESCE(has_schema_privilege(r.oid, '%s', 'USAGE'), false)
			FROM (VALUES (to_regrole('%s'))) AS r (oid)`, schema, quoted(role))).Scan(&there, &granted)
		if err != nil {
			return nil, nil, fmt.Errorf("looking for role %s: %w", role, err)
		}
		if !there {
			missing = append(missing, role)
		}
		if !granted {
			ungranted = append(ungranted, role)
		}
	}
	return missing, ungranted, nil
}

func mayMakeRoles(ctx context.Context, conn *pgx.Conn, schema string, missing []string) error {
	var may bool
	err := conn.QueryRow(ctx, "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user").Scan(&may)
	if err != nil {
		return fmt.Errorf("looking whether the user may make roles: %w", err)
	}
	if may {
		return nil
	}
	var sql strings.Builder
	for _, role := range missing {
		fmt.Fprintf(&sql, "CREATE ROLE %s NOLOGIN; ", role)
	}
	return &RolesError{schema, missing, strings.TrimSpace(sql.String())}
}
