package outbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// page is where docs/outbox-producers.md is.
var page = filepath.Join("..", "..", "docs", "outbox-producers.md")

// blocks returns the code blocks of the page whose fence says what.
func blocks(t *testing.T, what string) []string {
	t.Helper()
	var all []string
	for i, part := range strings.Split(read(t, page), "```") {
		if fence, code, _ := strings.Cut(part, "\n"); i%2 == 1 && fence == what {
			all = append(all, code)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no block ```%s", page, what)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestSQLOfThePage runs the page's SQL with psql alone: first what an owner does, then
// the rest as a user who has only what the owner granted.
func TestSQLOfThePage(t *testing.T) {
	dropRoles(t, "orders_service")
	url := migrated(t)
	owner := connect(t, url, "")
	run(t, owner, `CREATE ROLE orders_service LOGIN;
		CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL);
		INSERT INTO orders VALUES (41, 'new'), (42, 'new');
		GRANT SELECT, UPDATE ON orders TO orders_service`)
	if out, err := psql(t, url, "", strings.Join(blocks(t, "sql owner"), "")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, sql := range blocks(t, "sql") {
		if out, err := psql(t, url, "orders_service", sql); err != nil {
			t.Errorf("%v\n%s\n%s", err, out, sql)
		}
	}
	got := values[string](t, owner, `SELECT concat_ws(' ', topic, key, type, biz_id,
		CASE topic WHEN 'images' THEN payload::text ELSE convert_from(payload, 'UTF8') END, headers->>'X-Tenant-Id')
		FROM outbox.message ORDER BY id`)
	want := []string{
		`orders 42 order.paid {"order": 42}`,
		`reminders  reminder-42 {"order": 42} 7`,
		`orders 42  {"order": 42}`,
		`images 42  \x89504e47`,
		`orders  {"order": 42}`,
		`orders 41 order.audited order-41 {"id": 41, "status": "new"} 7`,
		`orders 42 order.audited order-42 {"id": 42, "status": "paid"} 7`,
		`customers customer-7  {"limit": 500}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("messages\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := value[int](t, owner, "SELECT count(*) FROM outbox.message WHERE message_id = 'a81bc81b-dead-4e5d-abff-90865d1e13b1' AND deliver_after > now() + interval '23 hours'"); n != 1 {
		t.Error("the message that says its id and time does not have them")
	}
}

// TestCopy fills the table with psql and COPY, as a producer.
func TestCopy(t *testing.T) {
	url := migrated(t)
	out, err := psql(t, url, "outbox_producer",
		"COPY outbox.message (topic, key, payload) FROM STDIN;\norders\t1\t{\"a\": 1}\norders\t\\N\t\\\\x00ff\n\\.\n")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := values[string](t, connect(t, url, ""), "SELECT concat_ws(' ', topic, key, payload::text, lane BETWEEN 0 AND 7) FROM outbox.message ORDER BY id")
	if want := []string{`orders 1 \x7b2261223a20317d t`, `orders \x00ff t`}; !slices.Equal(got, want) {
		t.Errorf("messages %q, want %q", got, want)
	}
}

// TestGoOfThePage compares the page's Go with the examples, which are compiled and run.
func TestGoOfThePage(t *testing.T) {
	examples := read(t, "example_test.go") + read(t, filepath.Join("gormoutbox", "example_test.go"))
	for _, code := range blocks(t, "go") {
		if !strings.Contains(examples, code) {
			t.Errorf("no example has this, as it is:\n%s", code)
		}
	}
}

// TestLimitsOfThePage compares the page's table with the constants.
func TestLimitsOfThePage(t *testing.T) {
	limits := []struct {
		line  string
		holds bool
	}{
		{"| topic | 255 bytes, at least 1 |", MaxTopic == 255},
		{"| key | 1,024 bytes |", MaxKey == 1024},
		{"| type, biz_id | 255 bytes |", MaxType == 255 && MaxBizID == 255},
		{"| payload | 4 MiB; may be empty |", MaxPayload == 4<<20},
		{"| headers | 64 KiB as JSON;", MaxHeaders == 64<<10},
	}
	text := read(t, page)
	for _, limit := range limits {
		if !limit.holds || !strings.Contains(text, "\n"+limit.line) {
			t.Errorf("the page and the package disagree about %q", limit.line)
		}
	}
}
