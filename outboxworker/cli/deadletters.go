package cli

// deadletters.go makes the dead messages of an outbox and the dead letters of a consumer
// one thing for the commands.

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/weirproxy/weir/outboxworker/fingerprint"
	"github.com/weirproxy/weir/outboxworker/operator"
)

// deadLetter is a dead message of an outbox, or a dead letter of a consumer.
type deadLetter struct {
	// Position is the message's id in its outbox.
	Position int64 `json:"position,omitempty"`
	// Letter is the id of a consumer's dead letter in its stream, and Entry that of the
	// entry in Stream.
	Letter string `json:"letter,omitempty"`
	Stream string `json:"stream,omitempty"`
	Entry  string `json:"entry,omitempty"`

	message
	Lane        *int16     `json:"lane,omitempty"`
	Attempts    int        `json:"attempts"`
	Class       string     `json:"class"`
	LastError   string     `json:"last_error"`
	Reason      string     `json:"reason,omitempty"`
	Fingerprint string     `json:"fingerprint"`
	CreatedAt   *time.Time `json:"created_at,omitempty"`
	DiedAt      time.Time  `json:"died_at"`
	// Holds tells that later messages of its key wait for an operator.
	Holds       bool       `json:"holds"`
	Replaying   bool       `json:"replaying"`
	ReplayingAt *time.Time `json:"replaying_at,omitempty"`
	Replays     int        `json:"replays"`
	Bytes       int        `json:"bytes"`

	// What show --payload adds.
	Payload         *string           `json:"payload,omitempty"`
	PayloadEncoding string            `json:"payload_encoding,omitempty"`
	Headers         map[string]string `json:"headers,omitempty"`
}

// carry adds what the message holds: text as it is, and anything else in base64.
func (d *deadLetter) carry(payload []byte, headers map[string]string) {
	text, encoding := string(payload), "utf-8"
	if !utf8.Valid(payload) {
		text, encoding = base64.StdEncoding.EncodeToString(payload), "base64"
	}
	d.Payload, d.PayloadEncoding, d.Headers = &text, encoding, headers
}

// state says what is going on with a dead message.
func (d *deadLetter) state() string {
	switch {
	case d.Replaying:
		return "replaying"
	case d.Holds:
		return "holds key"
	case d.Replays > 0:
		return "replayed"
	}
	return ""
}

// mostGroups is how many groups are shown, and how many the package operator returns.
const mostGroups = 1000

// deadGroup is dead messages whose errors are alike.
type deadGroup struct {
	Fingerprint string    `json:"fingerprint"`
	Class       string    `json:"class"`
	Reason      string    `json:"reason,omitempty"`
	Count       int64     `json:"count"`
	Replaying   int64     `json:"replaying"`
	Topics      []string  `json:"topics"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	Shape       string    `json:"shape"`
	Sample      string    `json:"sample"`
}

// deadSource has dead messages. They are selected by the flags of the command.
type deadSource interface {
	// list returns a page, and where the next begins.
	list(ctx context.Context, after string, limit int) (found []deadLetter, next string, err error)
	groups(ctx context.Context) ([]deadGroup, error)
	// show returns the one that is meant by an id; the error is operator.ErrNotFound if
	// there is none.
	show(ctx context.Context, id string, payload bool) (*deadLetter, error)
	replay(ctx context.Context, maxReplays int, result *outcome) error
	discard(ctx context.Context, result *outcome) error
	close()
}

// deadOutbox are the dead messages of an outbox.
type deadOutbox struct{ *outboxMessages }

// openDead opens the dead messages of an outbox.
func openDead(ctx context.Context, o *operation) (deadSource, error) {
	opened, err := o.openMessages(ctx)
	if err != nil {
		return nil, err
	}
	d := &deadOutbox{opened}
	if err := complete(ctx, opened.Operator, &d.filter); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// complete completes the beginning of a fingerprint by the dead messages of an outbox.
func complete(ctx context.Context, of *operator.Operator, filter *operator.Filter) error {
	if n := len(filter.Fingerprint); n == 0 || n >= fingerprintLength {
		return nil
	}
	found, err := of.DeadGroups(ctx, operator.Filter{})
	if err != nil {
		return err
	}
	if len(found) >= mostGroups {
		return &usageError{errors.New("--group: there are more groups than are looked through; give all 16 digits")}
	}
	filter.Fingerprint, err = wholeFingerprint(filter.Fingerprint, groupsOf(found))
	return err
}

func (d *deadOutbox) list(ctx context.Context, after string, limit int) ([]deadLetter, string, error) {
	found, next, err := positionPage(after, limit, func(page operator.Page) ([]operator.Dead, error) {
		return d.ListDead(ctx, d.filter, page)
	}, func(m *operator.Dead) int64 { return m.Position })
	letters := make([]deadLetter, len(found))
	for i := range found {
		letters[i] = *letterOf(&found[i])
	}
	return letters, next, err
}

// positionPage reads a page of what is ordered by positions, and one more row to see
// whether there are any.
func positionPage[T any](after string, limit int, read func(operator.Page) ([]T, error), position func(*T) int64) (rows []T, next string, err error) {
	page := operator.Page{Limit: limit + 1}
	page.After, _ = strconv.ParseInt(after, 10, 64)
	rows, err = read(page)
	if err != nil || len(rows) <= limit {
		return rows, "", err
	}
	rows = rows[:limit]
	return rows, strconv.FormatInt(position(&rows[limit-1]), 10), nil
}

func letterOf(m *operator.Dead) *deadLetter {
	return &deadLetter{
		Position: m.Position, message: messageOf(&m.Message), Lane: &m.Lane,
		Attempts: m.Attempts, Class: m.Class, LastError: m.LastError, Reason: m.Reason, Fingerprint: m.Fingerprint,
		CreatedAt: &m.CreatedAt, DiedAt: m.DiedAt, Holds: m.Holds,
		Replaying: m.ReplayingAt != nil, ReplayingAt: m.ReplayingAt, Replays: m.Replays, Bytes: m.Bytes,
	}
}

func (d *deadOutbox) groups(ctx context.Context) ([]deadGroup, error) {
	found, err := d.DeadGroups(ctx, d.filter)
	return groupsOf(found), err
}

func groupsOf(found []operator.Group) []deadGroup {
	groups := make([]deadGroup, len(found))
	for i, g := range found {
		groups[i] = deadGroup{
			Fingerprint: g.Fingerprint, Class: g.Class, Reason: g.Reason, Count: g.Count, Replaying: g.Replaying,
			Topics: g.Topics, First: g.First, Last: g.Last, Shape: g.Shape, Sample: g.Sample,
		}
	}
	return groups
}

func (d *deadOutbox) show(ctx context.Context, id string, payload bool) (*deadLetter, error) {
	position, message, err := parseID("dead show", id)
	if err != nil {
		return nil, err
	}
	if message != (uuid.UUID{}) {
		found, err := d.ListDead(ctx, operator.Filter{MessageIDs: []uuid.UUID{message}}, operator.Page{Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, operator.ErrNotFound
		}
		position = found[0].Position
	}
	m, content, err := d.ShowDead(ctx, position, payload)
	if err != nil {
		return nil, err
	}
	letter := letterOf(&m)
	if content != nil {
		letter.carry(content.Payload, content.Headers)
	}
	return letter, nil
}

func (d *deadOutbox) replay(ctx context.Context, maxReplays int, result *outcome) error {
	options := d.of.options()
	options.MaxReplays = maxReplays
	answer, err := d.Replay(ctx, d.filter, options)
	result.took(answer)
	return err
}

func (d *deadOutbox) discard(ctx context.Context, result *outcome) error {
	answer, err := d.Discard(ctx, d.filter, d.of.options())
	result.took(answer)
	return err
}

// merged puts groups of several streams together that are one, the largest first.
func merged(all []deadGroup) []deadGroup {
	var groups []deadGroup
	at := make(map[string]int)
	for _, g := range all {
		i, ok := at[g.Fingerprint]
		if !ok {
			at[g.Fingerprint] = len(groups)
			g.Shape = fingerprint.Shape(g.Sample)
			groups = append(groups, g)
			continue
		}
		one := &groups[i]
		one.Count += g.Count
		one.Replaying += g.Replaying
		one.Topics = slices.Compact(slices.Sorted(slices.Values(append(one.Topics, g.Topics...))))
		one.Topics = one.Topics[:min(len(one.Topics), 20)]
		if g.First.Before(one.First) {
			one.First = g.First
		}
		if g.Last.After(one.Last) {
			one.Last, one.Sample = g.Last, g.Sample
		}
	}
	slices.SortStableFunc(groups, func(a, b deadGroup) int { return int(b.Count - a.Count) })
	return groups
}
