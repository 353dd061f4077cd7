package consumer

// deadlist.go holds the reading of dead letters.

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// page is how many dead letters, or messages that wait, are read at once, or fewer if they
// have readBytes.
const page = 100

// groupTopics is how many topics a group names.
const groupTopics = 20

// List returns dead letters in the order in which they died, after the one with that id
// ("" from the first on), limit of them at most; next is where to go on, or "". Payloads
// are returned if they are asked for.
func (d *DeadLetters) List(ctx context.Context, f Filter, after string, limit int, payload bool) (found []Dead, next string, err error) {
	if limit < 1 {
		return nil, "", nil
	}
	err = d.each(ctx, f, after, "+", payload, func(dead Dead) bool {
		if len(found) == limit {
			next = found[limit-1].ID
			return false
		}
		found = append(found, dead)
		return true
	})
	return found, next, err
}

// Groups returns the dead letters by fingerprint, the largest group first.
func (d *DeadLetters) Groups(ctx context.Context, f Filter) ([]Group, error) {
	found := make(map[string]*Group)
	err := d.each(ctx, f, "", "+", false, func(dead Dead) bool {
		g, ok := found[dead.Fingerprint]
		if !ok {
			g = &Group{Fingerprint: dead.Fingerprint, Class: dead.Class, Sample: dead.Error, First: dead.DiedAt}
			found[dead.Fingerprint] = g
		}
		g.Count++
		g.Last = dead.DiedAt
		if dead.Replaying {
			g.Replaying++
		}
		if len(g.Topics) < groupTopics && !slices.Contains(g.Topics, dead.Message.Topic) {
			g.Topics = append(g.Topics, dead.Message.Topic)
		}
		return true
	})
	groups := make([]Group, 0, len(found))
	for _, g := range found {
		slices.Sort(g.Topics)
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Fingerprint, b.Fingerprint)
	})
	return groups, err
}

// each calls do for the dead letters that a filter selects, after one id and up to
// another, until do says false.
func (d *DeadLetters) each(ctx context.Context, f Filter, after, last string, payload bool, do func(Dead) bool) error {
	if len(f.IDs) > 0 {
		return d.eachOf(ctx, f, after, payload, do)
	}
	first := "-"
	if !f.Since.IsZero() {
		first = strconv.FormatInt(max(0, f.Since.UnixMilli()), 10)
	}
	if after != "" {
		first = "(" + after // it is in the range, or was listed
	}
	for {
		found, more, err := d.read(ctx, first, last, page, payload)
		if err != nil {
			return err
		}
		for _, dead := range found {
			if f.matches(&dead) && !do(dead) {
				return nil
			}
		}
		if !more || len(found) == 0 {
			return nil
		}
		first = "(" + found[len(found)-1].ID
	}
}

// eachOf is each for a filter that names ids.
func (d *DeadLetters) eachOf(ctx context.Context, f Filter, after string, payload bool, do func(Dead) bool) error {
	ids := slices.Clone(f.IDs)
	slices.SortFunc(ids, compareIDs)
	for _, id := range slices.Compact(ids) {
		if !entrySyntax.MatchString(id) || after != "" && compareIDs(id, after) <= 0 {
			continue
		}
		found, _, err := d.read(ctx, id, id, 1, payload)
		if err != nil {
			return err
		}
		if len(found) == 1 && f.matches(&found[0]) && !do(found[0]) {
			return nil
		}
	}
	return nil
}

// compareIDs compares ids of entries.
func compareIDs(a, b string) int {
	aMS, aSeq, _ := strings.Cut(a, "-")
	bMS, bSeq, _ := strings.Cut(b, "-")
	for _, pair := range [][2]string{{aMS, bMS}, {aSeq, bSeq}} {
		x, _ := strconv.ParseUint(pair[0], 10, 64)
		y, _ := strconv.ParseUint(pair[1], 10, 64)
		if x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return 0
}

// read returns dead letters from one id to another, and whether there may be more.
func (d *DeadLetters) read(ctx context.Context, first, last string, limit int, payload bool) (found []Dead, more bool, err error) {
	with := 0
	if payload {
		with = 1
	}
	values, err := d.call(ctx, listScript, []string{d.stream.dead, d.stream.replaying}, first, last, limit, with, readBytes)
	if err != nil {
		return nil, false, err
	}
	found = make([]Dead, 0, len(values))
	for _, value := range values[1:] {
		one, ok := value.([]any)
		if !ok || len(one) != 4 {
			return nil, false, errAnswer
		}
		id, isText := one[0].(string)
		replaying, isNumber := one[1].(int64)
		bytes, isCount := one[2].(int64)
		fields, isList := one[3].([]any)
		if !isText || !isNumber || !isCount || !isList {
			return nil, false, errAnswer
		}
		dead := d.decode(id, fields)
		dead.Replaying, dead.PayloadBytes = replaying == 1, int(bytes)
		if !payload {
			dead.Message.Payload = nil
		}
		found = append(found, dead)
	}
	return found, values[0] == int64(1), nil
}

// deadFields is how many fields are in front of the entry's own.
const deadFields = 7

// decode reads a dead letter. What is none is of class "foreign".
func (d *DeadLetters) decode(id string, flat []any) Dead {
	dead := Dead{ID: id, Class: "foreign"}
	if ms, _, ok := strings.Cut(id, "-"); ok {
		n, _ := strconv.ParseInt(ms, 10, 64)
		dead.DiedAt = time.UnixMilli(n)
	}
	if len(flat) < 2*deadFields || flat[0] != "dead_entry" || flat[2*deadFields-2] != "dead_first_failed_at" {
		return dead
	}
	about := fieldsOf(flat[:2*deadFields])
	number := func(name string) int {
		n, _ := strconv.ParseFloat(about[name], 64)
		return count(n)
	}
	dead.EntryID, dead.Class, dead.Error = about["dead_entry"], about["dead_class"], about["dead_error"]
	dead.Fingerprint, dead.Attempts, dead.Replays = about["dead_fingerprint"], number("dead_attempts"), number("dead_replays")
	fields := fieldsOf(flat[2*deadFields:])
	if dead.Message.decode(fields, d.stream.group, math.MaxInt) == nil { // else it is what can be read
		dead.Message.Payload = []byte(fields["payload"])
	}
	dead.Message.Stream, dead.Message.EntryID = d.stream.name, dead.EntryID
	dead.Message.Attempt, dead.Message.Replays = dead.Attempts, dead.Replays
	return dead
}

// matches tells whether the filter selects a dead letter.
func (f *Filter) matches(d *Dead) bool {
	return f.selects(&d.Message, d.Class, d.Fingerprint, d.Error, d.DiedAt)
}

// selects tells whether the filter selects a message, by what is known of its last failure
// and when it died or began to wait.
func (f *Filter) selects(m *Message, class, fingerprint, text string, at time.Time) bool {
	return (f.Topic == "" || f.Topic == m.Topic) &&
		(f.Key == nil || m.HasKey && *f.Key == m.Key) &&
		(f.Class == "" || f.Class == class) &&
		(f.Fingerprint == "" || f.Fingerprint == fingerprint) &&
		(f.Text == "" || strings.Contains(strings.ToLower(text), strings.ToLower(f.Text))) &&
		(f.Since.IsZero() || !at.Before(f.Since)) &&
		(f.Until.IsZero() || at.Before(f.Until)) &&
		(len(f.MessageIDs) == 0 || slices.Contains(f.MessageIDs, m.ID)) &&
		(f.BizID == "" || f.BizID == m.BizID)
}
