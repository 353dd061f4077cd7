package outbox

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/integration"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/consumer"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// example returns the path of a file in docs/examples.
func example(t *testing.T, name string) string {
	t.Helper()
	root, err := integration.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "docs", "examples", name)
}

// The walk through docs/outbox-consumers.md, with its files: orders are written with
// psql, and taken by a service in Python.
func TestAServiceInAnotherLanguageConsumes(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, testserver.DatabaseOn(t, sharedPostgres(t)))
	server := testserver.Redis(t)
	port := freeport.Port(t)
	secret := filepath.Join(t.TempDir(), "webhook-secret")
	if err := os.WriteFile(secret, []byte(webhookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := connectRedis(t, server.URL())
	acl := make([]any, 0, 30)
	for _, word := range strings.Fields(rightsOfThePage(t)) {
		acl = append(acl, word)
	}
	if err := client.Do(t.Context(), acl...).Err(); err != nil {
		t.Fatal(err)
	}
	environment := []string{
		"OUTBOXWORKER_DATABASE_URL=" + d.url,
		"OUTBOXWORKER_OUTBOXES_0_SINK_REDIS_STREAM_URL=" + server.URL(),
		fmt.Sprintf("OUTBOXWORKER_CONSUMERS_0_WEBHOOK_URL=http://127.0.0.1:%d/", port),
		"OUTBOXWORKER_CONSUMERS_0_WEBHOOK_SECRET_FILE=" + secret,
	}
	service := exec.Command("python3", example(t, "receiver.py"), fmt.Sprint(port))
	service.Env = append(os.Environ(), "WEBHOOK_SECRET="+webhookSecret)
	receiver := startProcess(t, service)
	relays := startWorker(t, example(t, "shop.yaml"), append(slices.Clone(environment),
		"OUTBOXWORKER_REDIS_URL="+server.URL(), "OUTBOXWORKER_HTTP_ADDRESS="+freeport.Address(t))...)
	consumes := startCommand(t, "consume", example(t, "shop.yaml"), append(slices.Clone(environment),
		"OUTBOXWORKER_REDIS_URL="+strings.Replace(server.URL(), "redis://", "redis://shipping:password@", 1),
		"OUTBOXWORKER_HTTP_ADDRESS="+freeport.Address(t))...)

	orders, err := exec.Command(filepath.Join(sharedPostgres(t).BinDir(), "psql"),
		"--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file="+example(t, "orders.sql"), d.url).CombinedOutput()
	if err != nil {
		t.Fatalf("ordering: %v\n%s", err, orders)
	}
	letters, err := consumer.NewDeadLetters(client, "events:orders", "shipping")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"chair": "204", "lamp": "500 204", "desk": "409 204", "rug": "422"}
	within(t, "every order to be answered as it should", func() (bool, string) {
		answers := answersOf(receiver.output())
		return fmt.Sprint(answers) == fmt.Sprint(all), fmt.Sprintf("the receiver answered %v\n%s\n%s", answers, relays.tail(), consumes.tail())
	})
	within(t, "one dead letter, and nothing left", func() (bool, string) {
		dead, _, err := letters.List(t.Context(), consumer.Filter{}, "", 10, true)
		pending, pendingErr := client.XPending(t.Context(), "events:orders", "shipping").Result()
		waits, waitsErr := client.ZCard(t.Context(), "consumer:{events:orders}:shipping:events:orders:due").Result()
		if err != nil || pendingErr != nil || waitsErr != nil {
			t.Fatal(err, pendingErr, waitsErr)
		}
		return len(dead) == 1 && dead[0].Class == "status 422" && dead[0].Attempts == 1 && bytes.Contains(dead[0].Message.Payload, []byte(`"rug"`)) &&
			pending.Count == 0 && waits == 0, fmt.Sprintf("dead %+v, %d pending, %d wait", dead, pending.Count, waits)
	})
	relays.terminate()
	consumes.terminate()
	for _, w := range []*worker{relays, consumes} {
		if log := string(w.output()); strings.Contains(log, "quantity") || strings.Contains(log, webhookSecret[6:]) || strings.Contains(log, "panic") ||
			strings.Contains(log, "NOPERM") {
			t.Errorf("the log has a payload, a secret, a panic or a right that is missing:\n%s", log)
		}
	}
}

// answersOf returns what the service answered for each item, in order.
func answersOf(output []byte) map[string]string {
	answers := make(map[string]string)
	for line := range strings.Lines(string(output)) {
		item, status, _ := strings.Cut(strings.TrimSpace(line), " ")
		answers[item] = strings.TrimSpace(answers[item] + " " + status)
	}
	return answers
}

// consumersPage is docs/outbox-consumers.md.
func consumersPage(t *testing.T) []byte {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(filepath.Dir(example(t, "")), "outbox-consumers.md"))
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// rightsOfThePage is the command that makes the page's user of Redis.
func rightsOfThePage(t *testing.T) string {
	t.Helper()
	_, after, _ := bytes.Cut(consumersPage(t), []byte("\nACL "))
	line, _, ok := bytes.Cut(after, []byte("\n"))
	if !ok {
		t.Fatal("the page has no line that begins with ACL")
	}
	return "ACL " + string(line)
}

// The page shows the files that the test runs.
func TestThePageShowsTheExamples(t *testing.T) {
	t.Parallel()
	page := consumersPage(t)
	for _, name := range []string{"orders.sql", "receiver.py", "shop.yaml"} {
		content, err := os.ReadFile(example(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(page, content) {
			t.Errorf("docs/outbox-consumers.md does not show %s as it is", name)
		}
	}
}

// connectRedis returns a client that ends with the test.
func connectRedis(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// within waits until something holds, and says what is there if that takes too long.
func within(t testing.TB, what string, holds func() (bool, string)) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ok, found := holds()
		if ok {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("waited a minute for %s; %s", what, found)
		}
	}
}
