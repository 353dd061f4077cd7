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

// run is the messages of one rank for one stream, by their places in the batch.
type run struct {
	rank     int
	topic    string
	messages []int32
	// next is the first of messages that is not settled or under way.
	next int
	// refused counts messages that Redis refused.
	refused int
}

// place is where a message is sent: when, and to which topic's stream.
type place struct {
	rank  int
	topic string
}

// plan sorts messages into runs, in the order in which they are sent. Without byTopic
// all topics have the same stream.
func plan(messages []sink.Message, byTopic bool) []*run {
	if len(messages) == 0 {
		return nil
	}
	if !byTopic || !severalTopics(messages) {
		return []*run{planOne(messages)}
	}
	places := make(map[string]place)
	runs := make(map[place]*run)
	var order []*run
	for i := range messages {
		m := &messages[i]
		at := place{topic: m.Topic}
		if m.HasKey {
			if before, ok := places[m.Key]; ok {
				at.rank = before.rank
				if before.topic != m.Topic {
					at.rank++
				}
			}
			places[m.Key] = at
		}
		r := runs[at]
		if r == nil {
			r = &run{rank: at.rank, topic: m.Topic}
			runs[at] = r
			order = append(order, r)
		}
		r.messages = append(r.messages, int32(i))
	}
	slices.SortStableFunc(order, func(a, b *run) int { return a.rank - b.rank })
	return order
}

// planOne is the plan of messages for one stream.
func planOne(messages []sink.Message) *run {
	r := &run{topic: messages[0].Topic, messages: make([]int32, len(messages))}
	for i := range messages {
		r.messages[i] = int32(i)
	}
	return r
}

func severalTopics(messages []sink.Message) bool {
	for i := range messages {
		if messages[i].Topic != messages[0].Topic {
			return true
		}
	}
	return false
}
