package consumer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/testserver"
)

// vanishedWith appends messages with which consumers have vanished so often that they are
// suspects, and returns once they are pending at one that is gone.
func vanishedWith(t *testing.T, client *redis.Client, stream string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		publish(t, client, stream, id)
	}
	if err := client.XGroupCreate(t.Context(), stream, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	read := &redis.XReadGroupArgs{Group: group, Consumer: "owner", Streams: []string{stream, ">"}}
	found, err := client.XReadGroup(t.Context(), read).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found[0].Messages {
		if err := client.Do(t.Context(), "XCLAIM", stream, group, "owner", 0, entry.ID,
			"IDLE", time.Hour.Milliseconds(), "RETRYCOUNT", suspectFrom, "JUSTID").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A suspect whose handler misses something for ever does not keep the others from being tried.
func TestSuspectThatIsNeverAvailable(t *testing.T) {
	for _, inOrder := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered=", inOrder), func(t *testing.T) {
			t.Parallel()
			client := connect(t, testserver.Redis(t))
			options, stream := quick(), events
			if inOrder {
				options, stream = ordered(), laneOf("")
			}
			vanishedWith(t, client, stream, "never", "2", "3", "4")
			var got record
			run(t, client, func(_ context.Context, m *Message) error {
				if m.ID == "never" {
					return Unavailable(errRefused, 10*time.Millisecond)
				}
				got.add(m)
				return nil
			}, options)
			eventually(t, "the others are done", func() bool { return got.distinct() == 3 })
		})
	}
}
