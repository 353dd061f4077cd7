package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/null"
)

// deliver passes messages with these positions and keys through a meter.
func deliver(m *meter, positions []int64, keys ...string) {
	batch := &sink.Batch{Results: make([]sink.Result, len(positions))}
	for i, p := range positions {
		batch.Messages = append(batch.Messages, sink.Message{Position: p, Key: keys[i], HasKey: true})
	}
	m.Deliver(context.Background(), batch)
}

func TestMeterFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		positions []int64
		keys      []string
		want      string // "": nothing is wrong
	}{
		"all":          {[]int64{11, 13, 12}, []string{"key-0", "key-1", "key-0"}, ""},
		"one is lost":  {[]int64{11, 13}, []string{"key-0", "key-1"}, "2 of 3 messages"},
		"one is twice": {[]int64{11, 12, 11, 13}, []string{"key-0", "key-0", "key-0", "key-0"}, "1 of them twice"},
		"disorder":     {[]int64{12, 11, 13}, []string{"key-0", "key-0", "key-1"}, "1 out of order"},
		"unknown key":  {[]int64{11, 12, 13}, []string{"key-0", "key-2", "key-1"}, "1 out of order"},
		"a stray":      {[]int64{11, 12, 13, 10}, []string{"key-0", "key-0", "key-0", "key-1"}, "1 that nobody sent"},
		"one too many": {[]int64{11, 12, 13, 14}, []string{"key-0", "key-0", "key-0", "key-1"}, "1 that nobody sent"},
	} {
		m := newMeter(null.New(), 2)
		r := m.expect(10, 3)
		deliver(m, c.positions, c.keys...)
		err := r.check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestMeterWaits(t *testing.T) {
	t.Parallel()
	m := newMeter(null.New(), 1)
	r := m.expect(0, 2)
	deliver(m, []int64{1}, "key-0")
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := r.wait(short); err == nil {
		t.Fatal("the round ended before its last message")
	}
	open := m.shut()
	passed := make(chan struct{})
	go func() {
		deliver(m, []int64{2}, "key-0")
		close(passed)
	}()
	select {
	case <-passed:
		t.Fatal("a batch passed while the meter was shut")
	case <-time.After(20 * time.Millisecond):
	}
	open()
	if err := r.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}
