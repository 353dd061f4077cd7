package redisstream

// plan.go holds which messages of a batch are appended together, and which only
// after others.
//
// Redis keeps an order in a stream, none between streams. Still, a message must not be
// sent after an earlier one of its key failed, in whichever stream. So each message has
// a rank: that of the message of its key before it, and one more if that one goes to
// another stream. Ranks are sent one after the other. Within a rank, a key occurs in
// one stream only, and messages for a stream stay in order. Where the messages of a key
// have one topic, as is usual, there is one rank, and a batch with few topics takes no
// more calls than a batch with one.

import (
	"slices"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// target is what tells the stream of a message from other messages' streams. What its
// name does not depend on is left empty.
type target struct {
	topic string
	lane  int
}

// naming is what the names of streams depend on.
type naming struct {
	topic, lane bool
}

// target is where a message goes.
func (n naming) target(m *sink.Message) (to target) {
	if n.topic {
		to.topic = m.Topic
	}
	if n.lane {
		to.lane = m.Lane
	}
	return to
}

// run is the messages of one rank for one stream, by their places in the batch.
type run struct {
	rank     int
	to       target
	messages []int32
	// next is the first of messages that is not settled or under way.
	next int
	// refused counts messages that Redis refused.
	refused int
}

// place is when a message is sent, and where.
type place struct {
	rank int
	to   target
}

// plan sorts messages into runs, in the order in which they are sent.
func plan(messages []sink.Message, by naming) []*run {
	if len(messages) == 0 {
		return nil
	}
	if !by.several(messages) {
		return []*run{planOne(messages, by)}
	}
	places := make(map[string]place)
	runs := make(map[place]*run)
	var order []*run
	for i := range messages {
		m := &messages[i]
		at := place{to: by.target(m)}
		if m.HasKey {
			if before, ok := places[m.Key]; ok {
				at.rank = before.rank
				if before.to != at.to {
					at.rank++
				}
			}
			places[m.Key] = at
		}
		r := runs[at]
		if r == nil {
			r = &run{rank: at.rank, to: at.to}
			runs[at] = r
			order = append(order, r)
		}
		r.messages = append(r.messages, int32(i))
	}
	slices.SortStableFunc(order, func(a, b *run) int { return a.rank - b.rank })
	return order
}

// planOne is the plan of messages for one stream.
func planOne(messages []sink.Message, by naming) *run {
	r := &run{to: by.target(&messages[0]), messages: make([]int32, len(messages))}
	for i := range messages {
		r.messages[i] = int32(i)
	}
	return r
}

// several tells whether messages go to more than one stream.
func (n naming) several(messages []sink.Message) bool {
	if n == (naming{}) {
		return false
	}
	first := n.target(&messages[0])
	for i := range messages {
		if n.target(&messages[i]) != first {
			return true
		}
	}
	return false
}
