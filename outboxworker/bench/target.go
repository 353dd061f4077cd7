package bench

// target.go holds the receivers that messages go to.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/webhook"
)

// target is a sink and its receiver. The relay closes the sink.
type target struct {
	sink.Sink
	// check makes sure that the receiver has exactly so many messages.
	check func(ctx context.Context, n int64) error
	// close ends the receiver.
	close func()
}

// open opens a sink and what it needs.
func (b *bench) open(name string) (*target, error) {
	if name == Webhook {
		return openWebhook()
	}
	j := b.job(name)
	to, err := j.openSink()
	if err != nil {
		return nil, err
	}
	t := &target{Sink: to, check: func(context.Context, int64) error { return nil }, close: func() {}}
	if name == RedisStream {
		t.check = b.checkStream
	}
	return t, nil
}

// openWebhook starts a receiver in this process that answers at once.
func openWebhook() (*target, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a receiver of webhooks: %w", err)
	}
	settings := webhook.DefaultSettings()
	settings.URL = "http://" + listener.Addr().String() + "/"
	to, err := webhook.New(settings)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	var received atomic.Int64
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			received.Add(1)
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // that it failed shows in what it received
	}()
	return &target{
		Sink: to,
		check: func(_ context.Context, n int64) error {
			if got := received.Load(); got != n {
				return fmt.Errorf("checking the receiver of webhooks: it was called %d times for %d messages", got, n)
			}
			return nil
		},
		close: func() {
			_ = server.Close()
			<-ended
		},
	}, nil
}
