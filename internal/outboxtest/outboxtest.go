// Package outboxtest gives tests an outbox in a database of its own, what they ask of it,
// and a receiver that does as they say. It is for tests only; nothing else may import it. A
// package whose tests use it has the TestMain that testserver describes.
//
// The package depends on pgx for the connection, on outbox for the schema, and on sink. It
// does not depend on relay, whose own tests use it.
package outboxtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

// Deadline is how long tests wait for what should happen soon. It is generous: on a busy
// machine everything is slow, and whoever does not fail does not wait.
const Deadline = time.Minute

// Outbox is an outbox in the schema outbox. Its methods fail the test if they cannot do
// what they should.
type Outbox struct {
	*testing.T
	// URL and Config are how to connect to its database.
	URL    string
	Config *pgx.ConnConfig
	// Conn is a connection with all rights, which its methods use.
	Conn *pgx.Conn
}

// New makes an outbox in a new database of the shared server.
func New(t *testing.T) *Outbox {
	t.Helper()
	return At(t, testserver.Database(t))
}

// At makes an outbox in the database of a connection string, or takes the one that is there.
func At(t *testing.T, url string) *Outbox {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	o := &Outbox{T: t, URL: url, Config: config}
	o.Conn = o.Connect()
	if _, err := outbox.Migrate(t.Context(), o.Conn, "outbox"); err != nil {
		t.Fatal(err)
	}
	return o
}

// Connect returns one more connection, which is closed when the test ends.
func (o *Outbox) Connect() *pgx.Conn {
	o.Helper()
	return o.ConnectTo(o.Config)
}

// ConnectTo is Connect with a configuration of the test's own.
func (o *Outbox) ConnectTo(config *pgx.ConnConfig) *pgx.Conn {
	o.Helper()
	conn, err := pgx.ConnectConfig(o.Context(), config.Copy())
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Exec runs a statement.
func (o *Outbox) Exec(sql string, args ...any) {
	o.Helper()
	if _, err := o.Conn.Exec(o.Context(), sql, args...); err != nil {
		o.Fatal(err)
	}
}

// Ask returns the one value of a query, as text; NULL is "NULL".
func (o *Outbox) Ask(sql string, args ...any) string {
	o.Helper()
	var text *string
	if err := o.Conn.QueryRow(o.Context(), "SELECT ("+sql+")::text", args...).Scan(&text); err != nil {
		o.Fatal(err)
	}
	if text == nil {
		return "NULL"
	}
	return *text
}

// Enqueue writes messages of a key, whose payloads are their texts.
func (o *Outbox) Enqueue(key string, texts ...string) {
	o.Helper()
	for _, text := range texts {
		o.Exec("SELECT outbox.enqueue(topic => 'test', key => $1::text, payload => $2::text)", key, text)
	}
}

// Places counts the messages in each place.
func (o *Outbox) Places() string {
	o.Helper()
	return o.Ask(`format('%s pending, %s deferred, %s dead', (SELECT count(*) FROM outbox.message),
		(SELECT count(*) FROM outbox.deferred), (SELECT count(*) FROM outbox.dead))`)
}

// Eventually waits until what returns want.
func (o *Outbox) Eventually(want string, what func() string) {
	o.Helper()
	o.Within(Deadline, want, what)
}

// Within is Eventually for what takes longer than that allows.
func (o *Outbox) Within(limit time.Duration, want string, what func() string) {
	o.Helper()
	end := time.Now().Add(limit)
	for {
		got := what()
		if got == want {
			return
		}
		if time.Now().After(end) {
			o.Fatalf("got %q in the end, want %q", got, want)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Start has a relay run until the test ends or stop is called, and fails the test if it
// returns an error, or does not return when its context ends.
func (o *Outbox) Start(run func(context.Context) error) (stop func()) {
	o.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				o.Error(err)
			}
		case <-time.After(Deadline):
			o.Error("the relay does not stop")
		}
	})
	o.Cleanup(stop)
	return stop
}
