package outbox

// operations_day_test.go is what happens on the day of docs/operations.md: what the
// business writes, and what the receiver is told to do.

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
)

// day is a worker of the page's configuration, with a receiver and somebody who watches.
type day struct {
	*testing.T
	database    *database
	billing     *billing
	worker      *worker
	monitor     string // address of /readyz
	folder      string // with orders.yaml
	environment []string
	local       *strings.Replacer
	outage      time.Duration
	broke       time.Time
	written     map[string]bool // ids of invoices and orders
	orders      int
}

// newDay starts the worker with the page's configuration. Only its addresses are others,
// and what shorter sets.
func newDay(t *testing.T, page string, outage time.Duration, shorter []string) *day {
	t.Helper()
	d := &day{T: t, outage: outage, folder: t.TempDir(), monitor: freeport.Address(t), written: make(map[string]bool)}
	d.billing = newBilling(t)
	d.database = newDatabase(t, testserver.DatabaseOn(t, sharedPostgres(t)))
	configuration := blocks(page, "yaml")
	if len(configuration) == 0 {
		t.Fatal("the page has no configuration")
	}
	file := filepath.Join(d.folder, "orders.yaml")
	if err := os.WriteFile(file, []byte(configuration[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	login, err := pgx.ParseConfig(d.database.url)
	if err != nil {
		t.Fatal(err)
	}
	ann, relay := d.logins(login)
	d.local = strings.NewReplacer(d.billing.address, "127.0.0.1:8080", "ann@"+host, "ann@ops-1", login.Database, "shop", ann.User.Username(), "ann")
	secret := filepath.Join(d.folder, "billing-secret")
	if err := os.WriteFile(secret, []byte(webhookSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := []string{
		"OUTBOXWORKER_REDIS_URL=" + testserver.Redis(t).URL(),
		"OUTBOXWORKER_OUTBOXES_0_SINK_WEBHOOK_URL=http://" + d.billing.address + "/events/{topic}",
		"OUTBOXWORKER_OUTBOXES_0_SINK_WEBHOOK_SECRET_FILE=" + secret,
	}
	for _, setting := range shorter {
		environment = append(environment, "OUTBOXWORKER_OUTBOXES_0_"+setting)
	}
	d.environment = append([]string{
		"PATH=" + filepath.Dir(path) + ":" + os.Getenv("PATH"), "USER=ann", "OUTBOXWORKER_DATABASE_URL=" + ann.String(),
	}, environment...)
	d.worker = startWorker(t, file, append(environment, "OUTBOXWORKER_DATABASE_URL="+relay.String(), "OUTBOXWORKER_HTTP_ADDRESS="+d.monitor)...)
	return d
}

// logins makes the roles of the worker and of ann, and returns URLs with them.
func (d *day) logins(database *pgx.ConnConfig) (ann, relay *url.URL) {
	d.Helper()
	urls := make([]*url.URL, 2)
	for i, login := range []struct{ name, in string }{{"ann", "outbox_operator, outbox_worker"}, {"relay", "outbox_worker"}} {
		name := login.name + "_" + database.Database
		d.database.exec("CREATE ROLE " + name + " LOGIN IN ROLE " + login.in)
		d.Cleanup(func() { d.database.exec("DROP ROLE " + name) })
		u, err := url.Parse(d.database.url)
		if err != nil {
			d.Fatal(err)
		}
		u.User = url.User(name)
		urls[i] = u
	}
	return urls[0], urls[1]
}

// writes puts a message into the outbox.
func (d *day) writes(topic, id, customer string) {
	d.Helper()
	d.written[id] = true
	d.database.exec(`SELECT outbox.enqueue(topic => $1, type => $1 || '.created', key => $3, biz_id => $2,
		payload => jsonb_build_object('id', $2::text, 'customer', $3::text))`, topic, id, customer)
}

// order writes n orders in one transaction, each of a customer of its own.
func (d *day) order(n int) {
	d.Helper()
	for i := range n {
		d.written[fmt.Sprintf("order-%d", d.orders+1+i)] = true
	}
	d.database.exec(`SELECT outbox.enqueue(topic => 'orders', type => 'orders.created', key => customer, biz_id => id,
			payload => jsonb_build_object('id', id, 'customer', customer))
		FROM (SELECT 'order-' || i AS id, 'customer-' || 100 + i AS customer FROM generate_series($1::int + 1, $1 + $2::int) i) AS orders`, d.orders, n)
	d.orders += n
}

// rest waits until nothing is under way that will be soon, and all that can be delivered
// is.
func (d *day) rest() {
	d.Helper()
	within(d.T, "the outbox to come to rest", func() (bool, string) {
		n := d.count(`SELECT (SELECT count(*) FROM outbox.message WHERE lane NOT IN (SELECT lane FROM outbox.paused_lane))
			+ (SELECT count(*) FROM outbox.deferred WHERE state = 'retry' AND due_at < now() + interval '1 minute')
			+ (SELECT count(*) FROM outbox.dead WHERE replaying_at IS NOT NULL)`)
		return n == 0, fmt.Sprintf("%d messages are under way\n%s", n, d.worker.tail())
	})
}

func (d *day) count(sql string) (n int) {
	d.Helper()
	if err := d.database.try(func(ctx context.Context, conn *pgx.Conn) error { return conn.QueryRow(ctx, sql).Scan(&n) }); err != nil {
		d.Fatal(err)
	}
	return n
}

func (d *day) nothing() {}

func (d *day) morning() {
	d.order(40)
	d.rest()
}

// Three messages fail, and show that it is the receiver.
func (d *day) fails() {
	d.broke = time.Now()
	d.billing.behave(func(string, document) answer { return answer{500, "out of memory", ""} })
	d.order(3)
	within(d.T, "the receiver to be taken for broken", func() (bool, string) { return d.away(), d.worker.tail() })
	d.order(20)
	within(d.T, "all that failed to be due again", func() (bool, string) {
		n := d.count("SELECT count(*) FROM outbox.deferred WHERE due_at < now()")
		return n == 3, fmt.Sprintf("%d are", n)
	})
}

func (d *day) vanishes() { d.billing.close() }

// The outage was longer than the retries of a message take, and nothing died.
func (d *day) recovers() {
	time.Sleep(time.Until(d.broke.Add(d.outage)))
	if dead, left := d.count("SELECT count(*) FROM outbox.dead"), d.count("SELECT (SELECT count(*) FROM outbox.message) + (SELECT count(*) FROM outbox.deferred)"); dead != 0 || left != 23 {
		d.Errorf("after the outage %d messages are dead and %d are left, want 0 and 23", dead, left)
	}
	d.billing.behave(nil)
	d.billing.open()
	within(d.T, "the receiver to be found well", func() (bool, string) { return !d.away(), d.worker.tail() })
	d.rest()
}

// A new version of the receiver does not know what invoices are now, and an order never
// was one.
func (d *day) refuses() {
	d.billing.behave(func(topic string, doc document) answer {
		if topic == "invoices" {
			return answer{422, fmt.Sprintf("%s: unknown field discount_%s", doc.ID, doc.ID[len(doc.ID)-1:]), ""}
		}
		return noCurrency(topic, doc)
	})
	for n := range 4 {
		d.writes("invoices", fmt.Sprintf("invoice-%d", 1001+n), fmt.Sprintf("customer-%d", 1+n))
	}
	d.writes("orders", "order-9001", "customer-9")
	d.rest()
	d.writes("invoices", "invoice-1005", "customer-3")
	d.writes("orders", "order-9002", "customer-9")
	d.writes("orders", "order-9003", "customer-9")
	d.order(10)
	d.rest()
}

// noCurrency is the answer to an order that will never be right.
func noCurrency(_ string, doc document) answer {
	if doc.ID == "order-9001" {
		return answer{400, "order-9001 has no currency", ""}
	}
	return answer{}
}

func (d *day) mended() { d.billing.behave(noCurrency) }

// A customer is locked, and the receiver wants the message ten minutes later.
func (d *day) locks() {
	d.billing.behave(func(topic string, doc document) answer {
		if doc.ID == "order-9010" {
			return answer{423, "customer-4 is being merged", "600"}
		}
		return noCurrency(topic, doc)
	})
	d.writes("orders", "order-9010", "customer-4")
	d.writes("orders", "order-9011", "customer-4")
	d.rest()
}

func (d *day) meanwhile() { d.order(5) }

// everything checks that the receiver took each message once, but for those that an
// operator gave up.
func (d *day) everything() {
	d.Helper()
	d.billing.mu.Lock()
	defer d.billing.mu.Unlock()
	givenUp := map[string]bool{"order-9001": true, "order-9010": true}
	for id := range d.written {
		want := 1
		if givenUp[id] {
			want = 0
		}
		if got := d.billing.taken[id]; got != want {
			d.Errorf("%s was taken %d times, want %d", id, got, want)
		}
	}
	if taken, written := len(d.billing.taken), len(d.written); taken != written-len(givenUp) {
		d.Errorf("%d messages were taken of %d", taken, written)
	}
}

// away tells what the worker thinks of the receiver.
func (d *day) away() bool {
	d.Helper()
	response, err := http.Get("http://" + d.monitor + "/readyz")
	if err != nil {
		return false // it does not listen yet
	}
	defer func() { _ = response.Body.Close() }()
	var ready struct {
		Outboxes map[string]struct{ Outage bool }
	}
	if err := json.NewDecoder(response.Body).Decode(&ready); err != nil {
		d.Fatal(err)
	}
	return ready.Outboxes["outbox"].Outage
}
