package outbox

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

var messageTests = []struct {
	name   string
	change func(*Message)
	want   string // empty: it is taken
}{
	{"the least", func(*Message) {}, ""},
	{"no topic", func(m *Message) { m.Topic = "" }, "checking topic: it is empty"},
	{"a long topic", func(m *Message) { m.Topic = strings.Repeat("x", MaxTopic) }, ""},
	{"too long a topic", func(m *Message) { m.Topic = strings.Repeat("x", MaxTopic+1) }, "checking topic: 256 bytes are more than 255"},
	{"a topic with NUL", func(m *Message) { m.Topic = "a\x00b" }, "checking topic: it holds a NUL"},
	{"a topic of bytes", func(m *Message) { m.Topic = "a\xff" }, "checking topic: it is not valid UTF-8"},
	{"a long key", func(m *Message) { m.Key = strings.Repeat("ä", MaxKey/2) }, ""},
	{"too long a key", func(m *Message) { m.Key = strings.Repeat("ä", MaxKey/2) + "x" }, "checking key: 1025 bytes are more than 1024"},
	{"a key with NUL", func(m *Message) { m.Key = "\x00" }, "checking key: it holds a NUL"},
	{"a long type", func(m *Message) { m.Type = strings.Repeat("x", MaxType) }, ""},
	{"too long a type", func(m *Message) { m.Type = strings.Repeat("x", MaxType+1) }, "checking type: 256 bytes are more than 255"},
	{"a type of bytes", func(m *Message) { m.Type = "\xc3\x28" }, "checking type: it is not valid UTF-8"},
	{"a long biz_id", func(m *Message) { m.BizID = strings.Repeat("x", MaxBizID) }, ""},
	{"too long a biz_id", func(m *Message) { m.BizID = strings.Repeat("x", MaxBizID+1) }, "checking biz_id: 256 bytes are more than 255"},
	{"a surrogate as biz_id", func(m *Message) { m.BizID = "\xed\xa0\x80" }, "checking biz_id: it is not valid UTF-8"},
	{"a large payload of anything", func(m *Message) { m.Payload = []byte(strings.Repeat("\x00\xff", MaxPayload/2)) }, ""},
	{"too large a payload", func(m *Message) { m.Payload = make([]byte, MaxPayload+1) }, "checking payload: 4194305 bytes are more than 4194304"},
	{"a nameless header", func(m *Message) { m.Headers = map[string]string{"": "x"} }, "checking headers: a name is empty"},
	{"a header named with NUL", func(m *Message) { m.Headers = map[string]string{"\x00": "x"} }, "checking the name of a header: it holds a NUL"},
	{"a header of bytes", func(m *Message) { m.Headers = map[string]string{"a": "\xff"} }, `checking header "a": it is not valid UTF-8`},
	{"a header with NUL", func(m *Message) { m.Headers = map[string]string{"a": "\x00"} }, `checking header "a": it holds a NUL`},
	{"large headers", func(m *Message) { m.Headers = headersOf(MaxHeaders) }, ""},
	{"too large headers", func(m *Message) { m.Headers = headersOf(MaxHeaders + 1) }, "checking headers: 65537 bytes of JSON are more than 65536"},
	{"the year 9999", func(m *Message) { m.DeliverAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }, ""},
	{
		"the year 10000", func(m *Message) { m.DeliverAfter = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200)) },
		"checking deliver_after: the year 10000 is not between 1 and 9999",
	},
	{
		"before Christ", func(m *Message) { m.DeliverAfter = time.Date(-43, 3, 15, 12, 0, 0, 0, time.UTC) },
		"checking deliver_after: the year -43 is not between 1 and 9999",
	},
}

func TestMessagesTheTableWouldNotTake(t *testing.T) {
	conn := connect(t, migrated(t), "")
	for _, test := range messageTests {
		t.Run(test.name, func(t *testing.T) {
			m := Message{Topic: "orders"}
			test.change(&m)
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(t.Context())
			_, err = Enqueue(t.Context(), tx, m)
			if test.want == "" && err != nil {
				t.Errorf("it was refused: %v", err) // by the table, if not by the package
			}
			if test.want != "" && (err == nil || err.Error() != "enqueuing a message: "+test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			_, err = EnqueueBatch(t.Context(), tx, []Message{{Topic: "orders"}, m, {Topic: "orders"}})
			if test.want == "" && err != nil {
				t.Errorf("it was refused in a batch: %v", err)
			}
			if test.want != "" && (err == nil || err.Error() != "enqueuing message 2 of 3: "+test.want) {
				t.Errorf("error %v, want message 2 and %q", err, test.want)
			}
			// The transaction can still be used.
			if _, err := Enqueue(t.Context(), tx, Message{Topic: "orders"}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// headersOf returns headers that PostgreSQL shows in a number of bytes.
func headersOf(size int) map[string]string {
	h := map[string]string{"first": `"quoted"`, "second": "<&>", "third": "ä\t"}
	shown := len(`{"first": "\"quoted\"", "second": "<&>", "third": "ä\t", "rest": ""}`)
	h["rest"] = strings.Repeat("x", size-shown)
	return h
}

// TestTableRefusesTheSame shows that whoever goes around the package meets the same
// limits.
func TestTableRefusesTheSame(t *testing.T) {
	conn := connect(t, migrated(t), "")
	run(t, conn, "INSERT INTO outbox.message (topic, key, payload, headers) VALUES ('t', repeat('ä', 512), '', $1)", headersOf(MaxHeaders))
	for _, row := range []string{
		"('', '', NULL, NULL, '', NULL)",
		"(repeat('x', 256), '', NULL, NULL, '', NULL)",
		"('t', NULL, NULL, NULL, '', NULL)",
		"('t', convert_to(repeat('x', 4194305), 'UTF8'), NULL, NULL, '', NULL)",
		"('t', '', repeat('ä', 512) || 'x', NULL, '', NULL)",
		"('t', '', NULL, repeat('x', 256), '', NULL)",
		"('t', '', NULL, NULL, repeat('x', 256), NULL)",
		"('t', '', NULL, NULL, NULL, NULL)",
		"('t', '', NULL, NULL, '', '[]')",
		"('t', '', NULL, NULL, '', jsonb_build_object('a', repeat('x', 65536)))",
	} {
		_, err := conn.Exec(t.Context(), "INSERT INTO outbox.message (topic, payload, key, biz_id, type, headers) VALUES "+row)
		if err == nil {
			t.Errorf("the table took %s", row)
		}
	}
	if n := value[int](t, conn, "SELECT count(*) FROM outbox.message"); n != 1 {
		t.Errorf("the table has %d rows, want 1", n)
	}
}

// TestLongestKeysCanWait shows that what the table takes, the indexes of waiting and
// dead messages take.
func TestLongestKeysCanWait(t *testing.T) {
	conn := connect(t, migrated(t), "")
	key := make([]rune, 0, MaxKey/4)
	for i := range MaxKey / 4 { // characters of four bytes, hardly to be compressed
		key = append(key, rune(0x10000+(i*7919)%0x10000))
	}
	run(t, conn, `INSERT INTO outbox.deferred (id, lane, state, message_id, topic, key, type, payload, created_at)
		VALUES (1, 0, 'parked', gen_random_uuid(), 't', $1, '', '', now())`, string(key))
	run(t, conn, `INSERT INTO outbox.dead (id, lane, holds, reason, attempts, message_id, topic, key, type, payload, created_at)
		VALUES (1, 0, true, 'fatal', 1, gen_random_uuid(), 't', $1, '', '', now())`, string(key))
}

func TestIDsAreMadeAndKept(t *testing.T) {
	own := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	rows, err := newRows(t.Context(), []Message{{Topic: "t"}, {Topic: "t", ID: own}, {Topic: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	if rows[1].id != own {
		t.Errorf("the id %s became %s", own, rows[1].id)
	}
	first, second := rows[0].id, rows[2].id
	if first.Version() != 7 || second.Version() != 7 || first.String() >= second.String() {
		t.Errorf("made were %s and then %s, want version 7, growing", first, second)
	}
}

func TestChunks(t *testing.T) {
	const limit = 1000
	sized := func(size int) row {
		r := row{Message: &Message{}}
		r.Payload = make([]byte, size-r.size())
		return r
	}
	for _, test := range []struct{ sizes, want string }{
		{"", ""},
		{"100", "1"},
		{"5000", "1"},
		{"400 600", "2"},
		{"400 601", "1 1"},
		{"5000 100 5000 100 100", "1 1 1 2"},
		{"1000 1000 500 500 100", "1 1 2 1"},
	} {
		var rows []row
		for size := range strings.FieldsSeq(test.sizes) {
			var n int
			if _, err := fmt.Sscan(size, &n); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, sized(n))
		}
		var got []string
		for _, part := range chunks(rows, limit) {
			got = append(got, fmt.Sprint(len(part)))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("rows of %s bytes are split into %v, want %s", test.sizes, got, test.want)
		}
	}
}

func TestErrorsShowNoPayload(t *testing.T) {
	secret := "4111-1111"
	for _, m := range []Message{
		{Topic: "", Payload: []byte(secret)},
		{Topic: "t", Key: secret + "\x00"},
		{Topic: "t", BizID: strings.Repeat(secret, 100)},
		{Topic: "t", Headers: map[string]string{"card": secret + "\xff"}},
	} {
		if _, err := newRows(t.Context(), []Message{m}); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v, want one that does not show what the message holds", err)
		}
	}
}

func TestMessagesAreNotChanged(t *testing.T) {
	m := Message{Topic: "t", Headers: map[string]string{"a": "1"}}
	ctx := ContextWithHeader(t.Context(), "b", "2")
	if _, err := newRows(ctx, []Message{m}); err != nil {
		t.Fatal(err)
	}
	if m.ID != (uuid.UUID{}) || !maps.Equal(m.Headers, map[string]string{"a": "1"}) {
		t.Errorf("the producer's message became %+v", m)
	}
}
