package redisclient

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// What Sentinels answer is not taken for an answer of the master to a command.
func TestSentinelRefuses(t *testing.T) {
	t.Parallel()
	address := testserver.Sentinel(t, testserver.Redis(t), "orders", time.Minute)
	eventually(t, "the Sentinel takes connections", func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	for _, test := range []struct {
		sentinel Sentinel
		want     string
	}{
		{Sentinel{Master: "order"}, `asking the Sentinels: they know no master "order"`},
		{Sentinel{Master: "orders", User: "worker", Password: "s3cret"}, "asking the Sentinels: WRONGPASS "},
	} {
		test.sentinel.Addresses = []string{address}
		client := open(t, Options{Sentinel: &test.sentinel, DialTimeout: 10 * time.Second, Timeout: 10 * time.Second})
		err := client.Ping(t.Context()).Err()
		if answer := redis.Error(nil); err == nil || errors.As(err, &answer) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("error %v, want %s", err, test.want)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("a password is in %q", err)
		}
	}
}

// The Sentinels lead to the master, with the user and the database of the URL.
func TestSentinelLeadsToTheMaster(t *testing.T) {
	t.Parallel()
	master := testserver.Redis(t)
	address := testserver.Sentinel(t, master, "orders", time.Minute)
	client := open(t, Options{
		URL: "redis://nobody:s3cret@nowhere.invalid/3", Password: "word", Sentinel: &Sentinel{Master: "orders", Addresses: []string{address}},
		DialTimeout: 2 * time.Second, Timeout: 3 * time.Second,
	})
	o := client.Options()
	if o.MaxRetries != 0 || o.DialerRetries != 1 || o.DialTimeout != 2*time.Second || o.ReadTimeout != 3*time.Second || o.WriteTimeout != 3*time.Second ||
		!o.ContextTimeoutEnabled || o.Username != "nobody" || o.Password != "word" || o.DB != 3 {
		t.Errorf("options %+v", o)
	}
	eventually(t, "the master refuses who it does not know", func() error {
		err := client.Ping(t.Context()).Err()
		if answer := redis.Error(nil); errors.As(err, &answer) && strings.HasPrefix(err.Error(), "WRONGPASS ") {
			return nil
		}
		return errors.Join(errors.New("it does not"), err)
	})
}

func open(t *testing.T, o Options) *redis.Client {
	t.Helper()
	client, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not true within 30s: %s: %v", what, err)
		}
	}
}
