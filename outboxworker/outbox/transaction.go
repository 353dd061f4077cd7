package outbox

// transaction.go takes the two kinds of transaction.

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"
)

var errNoTransaction = errors.New("an outbox message must be in the transaction that changes the data")

// transaction is what a message is written in: exactly one of the two is set.
type transaction struct {
	pgx pgx.Tx
	sql *sql.Tx
}

func transactionOf(tx any) (transaction, error) {
	if value := reflect.ValueOf(tx); !value.IsValid() || value.Kind() == reflect.Pointer && value.IsNil() {
		return transaction{}, fmt.Errorf("enqueuing a message: there is no transaction: %w", errNoTransaction)
	}
	switch tx := tx.(type) {
	case pgx.Tx:
		return transaction{pgx: tx}, nil
	case *sql.Tx:
		return transaction{sql: tx}, nil
	}
	return transaction{}, fmt.Errorf("enqueuing a message: %T is neither a pgx.Tx nor a *sql.Tx: %w", tx, errNoTransaction)
}

func (t transaction) exec(ctx context.Context, statement string, args ...any) error {
	var err error
	if t.pgx != nil {
		_, err = t.pgx.Exec(ctx, statement, args...)
	} else {
		_, err = t.sql.ExecContext(ctx, statement, args...)
	}
	return err
}
