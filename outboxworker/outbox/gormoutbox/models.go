package gormoutbox

// models.go finds out which models a statement wrote.

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// errUnseen says what a caller can do.
var errUnseen = errors.New("GORM does not tell which rows it wrote: write models with their primary keys, " +
	"let clause.Returning fill a slice, or enqueue by hand and use gormoutbox.Without")

// models returns the models that a statement wrote. They are the values that GORM
// worked on, provided that there are as many as rows were written, and that each names
// its row.
func models(db *gorm.DB, op Op) ([]Publisher, error) {
	s := db.Statement
	var written []Publisher
	for _, value := range elements(s.ReflectValue) {
		if !value.IsValid() || value.Type() != s.Schema.ModelType {
			return nil, fmt.Errorf("finding the rows that were %s: there is no %s: %w", op, s.Schema.ModelType, errUnseen)
		}
		if (op == Updated || op == Deleted) && !hasKey(s.Context, s.Schema, value) {
			return nil, fmt.Errorf("finding the rows that were %s: there is no primary key: %w", op, errUnseen)
		}
		model, ok := addressable(value).Addr().Interface().(Publisher)
		if !ok { // the type says otherwise
			return nil, errUnseen
		}
		written = append(written, model)
	}
	if int64(len(written)) != db.RowsAffected {
		return nil, fmt.Errorf("finding the rows that were %s: there are %d models and %d rows: %w",
			op, len(written), db.RowsAffected, errUnseen)
	}
	return written, nil
}

// elements returns the values that a statement works on, without pointers.
func elements(value reflect.Value) []reflect.Value {
	if kind := value.Kind(); kind != reflect.Slice && kind != reflect.Array {
		return []reflect.Value{value}
	}
	all := make([]reflect.Value, value.Len())
	for i := range all {
		all[i] = value.Index(i)
		for all[i].Kind() == reflect.Pointer || all[i].Kind() == reflect.Interface {
			all[i] = all[i].Elem()
		}
	}
	return all
}

// hasKey reports whether a model has a value in each field of its primary key.
func hasKey(ctx context.Context, s *schema.Schema, value reflect.Value) bool {
	for _, field := range s.PrimaryFields {
		if _, zero := field.ValueOf(ctx, value); zero {
			return false
		}
	}
	return len(s.PrimaryFields) > 0
}

// addressable returns a value that has an address: a copy, if the model was handed to
// GORM by value.
func addressable(value reflect.Value) reflect.Value {
	if value.CanAddr() {
		return value
	}
	copied := reflect.New(value.Type()).Elem()
	copied.Set(value)
	return copied
}
