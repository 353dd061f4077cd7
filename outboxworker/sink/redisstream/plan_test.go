package redisstream

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// messagesOf makes messages from words as topic/key, or topic for one without a key.
// Their payload is their number.
func messagesOf(words ...string) []sink.Message {
	var messages []sink.Message
	for i, word := range words {
		topic, key, hasKey := strings.Cut(word, "/")
		messages = append(messages, sink.Message{
			Position: int64(i), Topic: topic, Key: key, HasKey: hasKey, Payload: []byte(strconv.Itoa(i)),
		})
	}
	return messages
}

// byTopic is the naming of the default settings.
var byTopic = naming{topic: true}

func batchOf(words ...string) *sink.Batch {
	return &sink.Batch{Messages: messagesOf(words...), Results: make([]sink.Result, len(words))}
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		words   string
		byTopic bool
		want    string
	}{
		{"", true, ""},
		{"a/1 a/2 a a/1", true, "0a[0 1 2 3]"},
		{"a/1 b/2 a/3 b/4 a b", true, "0a[0 2 4] 0b[1 3 5]"},
		// A key that changes its topic begins a rank, and again when it goes back.
		{"a/1 b/1 a/1 a/2 b/1", true, "0a[0 3] 1b[1] 2a[2] 3b[4]"},
		{"a/1 a/1 b/1 b/2 b", true, "0a[0 1] 0b[3 4] 1b[2]"},
		// An empty key is a key, and none is none.
		{"a/ b/ a b", true, "0a[0 2] 0b[3] 1b[1]"},
		{"a/1 b/1 a/1", false, "0[0 1 2]"},
	} {
		var got []string
		for _, r := range plan(messagesOf(strings.Fields(test.words)...), naming{topic: test.byTopic}) {
			got = append(got, fmt.Sprintf("%d%s%v", r.rank, r.to.topic, r.messages))
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %s, want %s", test.words, text, test.want)
		}
	}
}

// steps runs a delivery to which everything is appended, and returns its steps as
// topic and messages.
func steps(d *delivery, maxMessages int) string {
	var text []string
	for {
		chunks := d.step(maxMessages)
		if len(chunks) == 0 {
			return strings.Join(text, " | ")
		}
		var step []string
		for _, c := range chunks {
			var messages []string
			for n := range c.at {
				messages = append(messages, strconv.Itoa(c.message(n)))
			}
			step = append(step, c.run.to.topic+":"+strings.Join(messages, ","))
			d.answered(&c, len(c.at), verdict{})
		}
		text = append(text, strings.Join(step, " "))
	}
}

func TestSteps(t *testing.T) {
	for _, test := range []struct {
		words string
		max   int
		want  string
	}{
		{"", 500, ""},
		{"a/1 a/2 a/3", 500, "a:0,1,2"},
		{"a/1 a/2 a/3", 2, "a:0,1 | a:2"},
		// Several topics travel together, a stream once in a step, filled up.
		{"a b a b c", 500, "a:0,2 b:1,3 c:4"},
		{"a a a b b", 2, "a:0,1 | a:2 b:3 | b:4"},
		// Ranks do not travel together.
		{"a/1 b/1 a b", 500, "a:0,2 b:3 | b:1"},
	} {
		b := batchOf(strings.Fields(test.words)...)
		if got := steps(newDelivery(b, byTopic), test.max); got != test.want {
			t.Errorf("%s: %s, want %s", test.words, got, test.want)
		}
	}
}

func TestStepsAreBoundedByBytes(t *testing.T) {
	b := batchOf("a", "a", "b", "b", "b", "a")
	half := make([]byte, stepBytes/2)
	b.Messages[0].Payload = half
	b.Messages[1].Payload = half[1:]
	b.Messages[2].Headers = half
	b.Messages[3].Payload = make([]byte, 3*stepBytes)
	if got, want := steps(newDelivery(b, byTopic), 500), "a:0,1,5 | b:2 | b:3 | b:4"; got != want {
		t.Errorf("steps %s, want %s", got, want)
	}
}

// A Redis that answers at random: whatever it says, no message of a key is appended
// after the failure of an earlier one, nor before it, and no message twice.
func TestDeliveryKeepsItsPromisesAtRandom(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 2))
		words := make([]string, 1+random.IntN(40))
		for i := range words {
			words[i] = string(rune('a' + random.IntN(3)))
			if k := random.IntN(6); k > 0 {
				words[i] += "/" + strconv.Itoa(k)
			}
		}
		b := batchOf(words...)
		sent := runAtRandom(b, random)
		if problem := brokenPromise(b, sent); problem != "" {
			t.Fatalf("seed %d: %s\n%v\nsent %v\n%v", seed, problem, words, sent, b.Results)
		}
	}
}

// runAtRandom returns the messages that were sent, in their order.
func runAtRandom(b *sink.Batch, random *rand.Rand) (sent []int) {
	d := newDelivery(b, byTopic)
	outage := random.IntN(3) == 0
	for !d.stopped {
		chunks := d.step(1 + random.IntN(8))
		if len(chunks) == 0 {
			break
		}
		for i := range chunks {
			c := &chunks[i]
			n := len(c.at)
			v := verdict{Result: sink.Result{Outcome: sink.Refused}, stream: random.IntN(4) == 0}
			if random.IntN(3) == 0 {
				n = random.IntN(n)
				if outage {
					v = verdict{Result: sink.Result{Outcome: sink.Throttled + sink.Outcome(random.IntN(2))}}
				}
			}
			for at := range min(n+1, len(c.at)) {
				sent = append(sent, c.message(at))
			}
			if outage && n < len(c.at) && random.IntN(2) == 0 {
				d.unanswered(c, verdict{Result: sink.Result{Outcome: sink.Unreachable}})
			} else {
				d.answered(c, n, v)
			}
		}
	}
	return sent
}

func brokenPromise(b *sink.Batch, sent []int) string {
	seen := make(map[int]bool)
	for _, i := range sent {
		if seen[i] {
			return fmt.Sprintf("message %d was sent twice", i)
		}
		seen[i] = true
		m := b.Messages[i]
		for j := range i {
			if before := b.Messages[j]; m.HasKey && before.HasKey && before.Key == m.Key && b.Results[i].Outcome != sink.Unreachable {
				if b.Results[j].Outcome != sink.Delivered || !seen[j] {
					return fmt.Sprintf("message %d was sent though %d of its key was not delivered before", i, j)
				}
			}
		}
	}
	for i, r := range b.Results {
		if r.Outcome == sink.Delivered && !seen[i] {
			return fmt.Sprintf("message %d is delivered and was not sent", i)
		}
	}
	return ""
}

// What fails for one message of a key takes no other key with it.
func TestRefusedMessages(t *testing.T) {
	b := batchOf("a/1", "a/2", "a/1", "b/1", "b/3", "a", "a/2")
	d := newDelivery(b, byTopic)
	chunks := d.step(500)
	d.answered(&chunks[0], 0, verdict{Result: sink.Result{Outcome: sink.Refused}})
	d.answered(&chunks[1], 1, verdict{})
	if got := steps(d, 500); got != "a:1,5,6" {
		t.Errorf("then %s, want the other keys", got)
	}
	if got := outcomes(b); got != "rdnnddd" {
		t.Errorf("outcomes %s", got)
	}
}

// A stream that takes nothing must not hold up the others: all its messages are
// refused at once, those in later ranks included.
func TestClosedStreams(t *testing.T) {
	b := batchOf("b/1", "a/1", "b/2", "b/3", "b/3", "b", "c/4", "b/4")
	d := newDelivery(b, byTopic)
	chunks := d.step(1)
	d.answered(&chunks[0], 0, verdict{Result: sink.Result{Outcome: sink.Refused}, stream: true})
	if got := steps(d, 500); got != "c:6" {
		t.Errorf("then %s, want what does not follow a failure", got)
	}
	if got := outcomes(b); got != "rnrrnrdr" {
		t.Errorf("outcomes %s", got)
	}
}

func TestFewMessagesOfAStreamAreRefusedOneByOne(t *testing.T) {
	words := make([]string, 100)
	for i := range words {
		words[i] = "a/" + strconv.Itoa(i)
	}
	words = append(words, "b", "b/99")
	b := batchOf(words...)
	d := newDelivery(b, byTopic)
	calls := 0
	for {
		chunks := d.step(500)
		if len(chunks) == 0 {
			break
		}
		calls++
		for i := range chunks {
			if chunks[i].run.to.topic == "a" {
				d.answered(&chunks[i], 0, verdict{Result: sink.Result{Outcome: sink.Refused}})
			} else {
				d.answered(&chunks[i], len(chunks[i].at), verdict{})
			}
		}
	}
	want := strings.Repeat("r", maxRefused) + strings.Repeat("n", 100-maxRefused) + "d" + "n"
	if got := outcomes(b); got != want || calls != maxRefused {
		t.Errorf("%d calls, outcomes %s", calls, got)
	}
}

func outcomes(b *sink.Batch) string {
	var text strings.Builder
	for _, r := range b.Results {
		text.WriteByte(r.Outcome.String()[0])
	}
	return text.String()
}

func BenchmarkPlan(b *testing.B) {
	for _, topics := range []int{1, 5} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			var words []string
			for i := range 2000 {
				words = append(words, fmt.Sprintf("topic-%d/key-%d", i%topics, i/topics))
			}
			messages := messagesOf(words...)
			b.ReportAllocs()
			for b.Loop() {
				plan(messages, byTopic)
			}
		})
	}
}
