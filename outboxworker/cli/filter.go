package cli

// filter.go has the flags by which an operator selects messages.

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/operator"
)

// selection are the flags that select messages. A command has some of them.
type selection struct {
	command                                           *cobra.Command
	topic, key, class, group, deadReason, state, text string
	since, until                                      string
	ids                                               []string
	all                                               bool
	// states are what --state may say.
	states []string
}

// selectors are the names of the flags that select.
var selectors = []string{"topic", "key", "class", "text", "since", "until", "id", "group", "dead-reason", "state"}

// flags adds the flags that all lists have.
func (s *selection) flags(command *cobra.Command, what string) {
	s.command = command
	f := command.Flags()
	f.StringVar(&s.topic, "topic", "", "select by `topic`")
	f.StringVar(&s.key, "key", "", "select by `key`; '' is the empty key")
	f.StringVar(&s.class, "class", "", "select by the `kind` of the last error")
	f.StringVar(&s.text, "text", "", "select by a `part` of the last error, in small or capital letters")
	f.StringVar(&s.since, "since", "", "select what "+what+" at this `time` or later: RFC 3339, or so long ago, as 90s, 2h or 7d")
	f.StringVar(&s.until, "until", "", "select what "+what+" before this `time`")
	f.StringArrayVar(&s.ids, "id", nil, "select by the position or the `id` of a message; may be repeated")
}

// deadFlags adds those of dead messages.
func (s *selection) deadFlags(command *cobra.Command) {
	f := command.Flags()
	f.StringVar(&s.group, "group", "", "select by the `fingerprint` of a group, or its beginning")
	f.StringVar(&s.deadReason, "dead-reason", "", "select by `why` a message is dead: fatal, exhausted or skipped")
}

// allFlag adds --all, for commands that change something.
func (s *selection) allFlag(command *cobra.Command) {
	command.Flags().BoolVar(&s.all, "all", false, "select all there are; needed if nothing else selects")
}

// check tells what is wrong with the flags.
func (s *selection) check(changes bool) error {
	selects := false
	for _, name := range selectors {
		selects = selects || s.command.Flags().Changed(name)
	}
	// What is misspelt must not look as if there were nothing.
	if s.deadReason != "" {
		if err := oneOf("dead-reason", s.deadReason, "fatal", "exhausted", "skipped"); err != nil {
			return err
		}
	}
	if s.state != "" {
		if err := oneOf("state", s.state, s.states...); err != nil {
			return err
		}
	}
	if s.group != "" && !groupSyntax.MatchString(s.group) {
		return &usageError{fmt.Errorf("--group: %q is neither a fingerprint, 16 of the digits 0-9 and a-f, nor its beginning", s.group)}
	}
	switch {
	case changes && !selects && !s.all:
		return &usageError{errors.New("nothing is selected: say what by flags such as --group, --key or --id, or say --all")}
	case selects && s.all:
		return &usageError{errors.New("--all and other flags that select are given; leave one out")}
	}
	return nil
}

// hasKey returns the key, or nil if there is none.
func (s *selection) hasKey() *string {
	if s.command == nil || !s.command.Flags().Changed("key") {
		return nil
	}
	return &s.key
}

// between reads --since and --until.
func between(sinceText, untilText string) (since, until time.Time, err error) {
	now := time.Now()
	if since, err = pastTime("since", sinceText, now); err != nil {
		return since, until, err
	}
	if until, err = pastTime("until", untilText, now); err != nil {
		return since, until, err
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return since, until, &usageError{errors.New("--since is not before --until; nothing is between them")}
	}
	return since, until, nil
}

var days = regexp.MustCompile(`^[0-9]{1,5}d$`)

// pastTime reads a time, or how long ago it was.
func pastTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if days.MatchString(text) {
		n, _ := strconv.Atoi(strings.TrimSuffix(text, "d"))
		return now.Add(-time.Duration(n) * 24 * time.Hour), nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, &usageError{fmt.Errorf("--%s: %q is neither a time such as 2026-01-31T08:00:00Z nor so long ago, such as 90s, 2h or 7d", flag, text)}
	}
	return now.Add(-ago), nil
}

// ofOutbox returns the filter for an outbox. The group may be a beginning still.
func (s *selection) ofOutbox() (f operator.Filter, err error) {
	f = operator.Filter{
		Topic: s.topic, Key: s.hasKey(), Class: s.class, Reason: s.deadReason,
		Fingerprint: s.group, State: s.state, Text: s.text,
	}
	if f.Since, f.Until, err = between(s.since, s.until); err != nil {
		return f, err
	}
	for _, text := range s.ids {
		position, id, err := parseID("--id", text)
		switch {
		case err != nil:
			return f, err
		case id == uuid.UUID{}:
			f.IDs = append(f.IDs, position)
		default:
			f.MessageIDs = append(f.MessageIDs, id)
		}
	}
	if len(f.IDs) > 0 && len(f.MessageIDs) > 0 {
		return f, &usageError{errors.New("--id: give positions or ids of messages; no message has both one of these and one of those")}
	}
	return f, nil
}

// parseID reads the position or the id of a message.
func parseID(what, text string) (position int64, id uuid.UUID, err error) {
	if position, err = strconv.ParseInt(text, 10, 64); err == nil && position > 0 {
		return position, id, nil
	}
	// Other forms than this one are none that anything shows.
	if id, err = uuid.Parse(text); err != nil || len(text) != 36 || id == (uuid.UUID{}) {
		return 0, id, &usageError{fmt.Errorf("%s: %q is neither a position such as 4711 nor an id such as 0197a1de-5b1c-7c3d-9f00-2a4b6c8d0e1f", what, text)}
	}
	return 0, id, nil
}

var letterID = regexp.MustCompile(`^[0-9]{1,20}-[0-9]{1,20}$`)

// ofConsumer returns the filter for the dead letters of a consumer or, where there are states,
// for what waits for it.
func (s *selection) ofConsumer() (f consumer.Filter, err error) {
	if s.deadReason != "" {
		return f, &usageError{errors.New("--dead-reason: dead letters of consumers have none; use --class")}
	}
	if s.state == "delayed" {
		return f, &usageError{errors.New("--state: nothing is delayed at consumers; retry and parked are")}
	}
	f = consumer.Filter{Topic: s.topic, Key: s.hasKey(), Class: s.class, Fingerprint: s.group, Text: s.text, State: s.state}
	if f.Since, f.Until, err = between(s.since, s.until); err != nil {
		return f, err
	}
	for _, text := range s.ids {
		if letterID.MatchString(text) {
			f.IDs = append(f.IDs, text)
		} else {
			f.MessageIDs = append(f.MessageIDs, text)
		}
	}
	if len(f.IDs) > 0 && len(f.MessageIDs) > 0 {
		what := "dead letters"
		if len(s.states) > 0 {
			what = "entries"
		}
		return f, &usageError{fmt.Errorf("--id: give ids of %s or ids of messages; none of these is one of those", what)}
	}
	return f, nil
}

// fingerprintLength is how many digits a fingerprint has.
const fingerprintLength = 16

var groupSyntax = regexp.MustCompile(`^[0-9a-f]{1,16}$`)

// wholeFingerprint completes the beginning of a fingerprint by the groups there are. One
// that nothing has stays as it is, and selects nothing.
func wholeFingerprint(beginning string, groups []deadGroup) (string, error) {
	var found []string
	for _, g := range groups {
		if strings.HasPrefix(g.Fingerprint, beginning) && !slices.Contains(found, g.Fingerprint) {
			found = append(found, g.Fingerprint)
		}
	}
	switch len(found) {
	case 0:
		return beginning, nil
	case 1:
		return found[0], nil
	default:
		slices.Sort(found)
		return "", &usageError{fmt.Errorf("--group: %q is the beginning of %d groups: %s", beginning, len(found), strings.Join(found[:min(len(found), 5)], ", "))}
	}
}
