package gormoutbox_test

import (
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/outbox"
	"github.com/weirproxy/weir/outboxworker/outbox/gormoutbox"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// database returns the URL of a database with an outbox and the tables of the models.
func database(t *testing.T) string {
	t.Helper()
	url := testserver.Database(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := outbox.Migrate(t.Context(), conn, outbox.DefaultSchema); err != nil {
		t.Fatal(err)
	}
	if err := open(t, url, "pgx", &gorm.Config{}).AutoMigrate(&Order{}, &Item{}, &Tag{}, &Plain{}); err != nil {
		t.Fatal(err)
	}
	return url
}

// open opens a database with the plugin, over a driver for database/sql.
func open(t *testing.T, url, driver string, config *gorm.Config) *gorm.DB {
	t.Helper()
	pool, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	config.Logger = logger.Discard
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Use(gormoutbox.New(nil)); err != nil {
		t.Fatal(err)
	}
	return db
}

// take returns what is in the outbox, as type and payload, and empties it.
func take(t *testing.T, db *gorm.DB) []string {
	t.Helper()
	var got []string
	err := db.Raw("SELECT type || ' ' || convert_from(payload, 'UTF8') FROM outbox.message ORDER BY id").Scan(&got).Error
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("TRUNCATE outbox.message").Error; err != nil {
		t.Fatal(err)
	}
	return got
}
