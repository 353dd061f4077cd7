package retryqueue

// stats.go holds what an operator may ask.

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Stats are a look at a queue.
type Stats struct {
	// Timers and Leased are how many ids wait and how many are being worked on.
	Timers, Leased int64
	// Foreign is how many members have been set aside that are no ids.
	Foreign int64
	// Late is how late the first timer is; 0 when nothing is due.
	Late time.Duration
	// Epoch changes whenever the queue is rebuilt. It is empty when all is lost.
	Epoch string
	// Whole is false when the queue must be rebuilt or is being rebuilt.
	Whole bool
}

// Stats counts.
func (q *Queue) Stats(ctx context.Context) (Stats, error) {
	answer, err := q.run(ctx, statsScript, []string{q.due, q.leased, q.epoch, q.aside}, nil)
	if err != nil {
		return Stats{}, fmt.Errorf("asking for the retry queue: %w", err)
	}
	values, err := answer.Slice()
	if err != nil {
		return Stats{}, fmt.Errorf("asking for the retry queue: %w", err)
	}
	if len(values) != 5 {
		return Stats{}, fmt.Errorf("asking for the retry queue: %w", errAnswer)
	}
	var numbers [4]int64
	for i := range numbers {
		number, ok := values[i].(int64)
		if !ok {
			return Stats{}, fmt.Errorf("asking for the retry queue: %w", errAnswer)
		}
		numbers[i] = number
	}
	epoch, isText := values[4].(string)
	if !isText {
		return Stats{}, fmt.Errorf("asking for the retry queue: %w", errAnswer)
	}
	epoch, isUnfinished := strings.CutPrefix(epoch, unfinished)
	return Stats{
		Timers: numbers[0], Leased: numbers[1], Foreign: numbers[2], Late: max(0, duration(numbers[3])),
		Epoch: epoch, Whole: epoch != "" && !isUnfinished,
	}, nil
}
