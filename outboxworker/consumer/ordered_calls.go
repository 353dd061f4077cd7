package consumer

// ordered_calls.go holds the calls of the scripts of a lane.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

var (
	// errOwned means that a lane has another owner.
	errOwned = errors.New("the lane has an owner")
	// errAnew means that what a call did is not known, or that something was amiss in
	// the lane's keys: the consumer has to acquire the lane anew, which mends all of that.
	errAnew = errors.New("the lane has to be acquired anew")
)

// keys are those of all scripts of a lane.
func (s *stream) laneKeys() []string {
	return []string{s.owner, s.name, s.due, s.leased, s.entries, s.state, s.parked, s.aside, s.dead, s.replaying}
}

// acquire makes this consumer the owner of a lane. The error is errOwned if it has one.
func (c *Consumer) acquire(ctx context.Context, lane *stream) (*tenure, error) {
	token := c.options.Consumer + " " + rand.Text()
	asked := time.Now()
	values, err := call(ctx, c.client, lane.logger, lane, laneAcquireScript, lane.laneKeys(),
		token, c.options.Lease.Milliseconds(), c.group, maxLease.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("acquiring the lane: %w", err)
	}
	if values[0] == int64(0) {
		return nil, errOwned
	}
	if len(values) != 2 {
		return nil, errAnswer
	}
	t := newTenure(c, lane, token)
	t.from, t.raise = "-", 1
	if values[1] == int64(1) {
		t.raise = 0 // nobody has died
	}
	t.holdUntil(asked.Add(c.options.Lease))
	return t, nil
}

// call calls a script as the owner of the lane. The error is ErrLost when that is over.
func (t *tenure) call(script *redis.Script, args ...any) ([]any, error) {
	ctx := context.WithoutCancel(t.ctx)
	values, err := script.Run(ctx, t.c.client, t.lane.laneKeys(), append([]any{t.token}, args...)...).Slice()
	if isCode(err, "WRONGTYPE") {
		renamed, aside := setAside(ctx, t.c.client, t.lane.logger, t.lane)
		if renamed && aside == nil {
			return nil, errAnew
		}
	}
	if err != nil {
		return nil, clean(err)
	}
	t.lane.trouble.success()
	if len(values) == 0 {
		return nil, errAnswer
	}
	switch values[0] {
	case int64(0):
		return nil, ErrLost
	case int64(2): // the client has repeated a call, or Redis has forgotten some
		return nil, errAnew
	}
	return values, nil
}

// laneTaken is the answer to a call of lane_take.
type laneTaken struct {
	// sleep is in how long the next of what waits is due, or negative.
	sleep time.Duration
	// last is the stream's last entry when all were read.
	last string
	// left tells that what owners before had is not taken over further than to a suspect.
	left    bool
	jobs    []*job
	retries claimed // those of them that waited
	// parked tells that entries were read and parked.
	parked int64
}

// take takes what is next in the lane.
func (t *tenure) take(most int) (found laneTaken, err error) {
	from, may := t.c.options.suspectFrom(), t.c.alone.try()
	if may {
		defer func() { t.c.alone.keep(found.jobs, from) }()
	}
	t.turn++
	values, err := t.call(laneTakeScript, t.c.options.Lease.Milliseconds(), t.turn, t.c.group, most, t.from, t.raise, readBytes,
		from, flag(may))
	if errors.Is(err, ErrLost) || errors.Is(err, errAnew) {
		return laneTaken{}, err
	}
	if err != nil {
		// The call may have been made.
		return laneTaken{}, fmt.Errorf("%w: %w", errAnew, err)
	}
	found, err = t.readTaken(values)
	if err != nil {
		return laneTaken{}, fmt.Errorf("%w: %w", errAnew, err)
	}
	return found, nil
}

func (t *tenure) readTaken(values []any) (found laneTaken, err error) {
	if len(values) != 11 {
		return found, errAnswer
	}
	sleep, ok1 := values[1].(int64)
	last, ok2 := values[2].(string)
	next, ok3 := values[3].(string)
	lost, ok4 := values[4].(int64)
	parked, ok5 := values[5].(int64)
	foreign, ok6 := values[7].(int64)
	retries, ok7 := values[9].([]any)
	entries, ok8 := values[10].([]any)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 || !ok8 {
		return found, errAnswer
	}
	found = laneTaken{retries: claimed{foreign: int(foreign)}, sleep: time.Duration(sleep) * time.Millisecond, last: last, parked: parked,
		left: values[8] == int64(1)}
	t.report(lost, values[6] == int64(1), foreign)
	for _, value := range retries {
		one, ok := value.([]any)
		if !ok || len(one) != 5 {
			return found, errAnswer
		}
		name, isText := one[0].(string)
		text, isState := one[2].(string)
		fields, isList := one[3].([]any)
		late, isNumber := one[4].(int64)
		if !isText || !isState || !isList || !isNumber {
			return found, errAnswer
		}
		j := &job{stream: t.lane, tenure: t, id: name, retry: true, fields: fieldsOf(fields), state: readState(text)}
		j.read(j.fields, t.c.group, t.c.options.MaxBytes)
		found.jobs = append(found.jobs, j)
		found.retries.jobs = append(found.retries.jobs, j)
		found.retries.late = append(found.retries.late, time.Duration(max(0, min(late, 1<<40)))*time.Millisecond)
	}
	for _, value := range entries {
		one, ok := value.([]any)
		if !ok || len(one) != 3 {
			return found, errAnswer
		}
		id, isText := one[0].(string)
		delivered, isNumber := one[1].(int64)
		fields, isList := one[2].([]any)
		if !isText || !isNumber || !isList {
			return found, errAnswer
		}
		j := t.c.entry(t.lane, id, int(delivered), fieldsOf(fields))
		j.tenure = t
		found.jobs = append(found.jobs, j)
	}
	if t.from != "" {
		t.c.metrics.takenOver(t.lane, len(entries))
	}
	t.from = next
	return found, nil
}

// report tells of what should not be.
func (t *tenure) report(lost int64, made bool, foreign int64) {
	if lost > 0 {
		t.c.metrics.vanished(t.lane, int(lost))
		t.lane.logger.Error("entries were removed from the stream before they were handled", zap.Int64("entries", lost))
	}
	if made {
		t.lane.logger.Warn("the group or its stream was gone; the group has been made again and reads the stream from the beginning")
	}
	if foreign > 0 {
		t.lane.logger.Warn("members of the retries that belong to no entry were set aside",
			zap.String("key", t.lane.aside), zap.Int64("members", foreign))
	}
}

// settleBytes is after how many bytes of entries a call of lane_settle ends.
const settleBytes = 4 << 20

// mend makes due what waits and was forgotten: of the next keys the first. If there is more
// that waits for nothing than can be found in that way, it looks at everything.
func (t *tenure) mend() error {
	next, short, err := t.callMend("keys", t.mended)
	if err != nil {
		return err
	}
	for cursor := "0"; short; short = cursor != "0" {
		if cursor, _, err = t.callMend("all", cursor); err != nil {
			return err
		}
	}
	t.mended = next
	return nil
}

func (t *tenure) callMend(what, cursor string) (next string, short bool, err error) {
	values, err := t.call(laneMendScript, t.c.options.Lease.Milliseconds(), what, cursor, readBytes)
	if err != nil {
		return "", false, err
	}
	if len(values) != 4 {
		return "", false, errAnswer
	}
	next, isText := values[1].(string)
	sleep, isNumber := values[3].(int64)
	if !isText || !isNumber {
		return "", false, errAnswer
	}
	t.lookIn(sleep)
	return next, values[2] == int64(1), nil
}
