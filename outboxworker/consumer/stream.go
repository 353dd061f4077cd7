package consumer

// stream.go holds the names of what belongs to a stream and a group.

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
)

// stream is a stream, as a group sees it.
type stream struct {
	name, group string
	base        string

	due, leased, entries, state   string
	dead, replaying, audit, aside string
	// Of a lane: its owner, and what waits by keys.
	owner, parked string

	logger *zap.Logger
	// trouble is that of a lane, and known tells that its group is there, or was.
	trouble *trouble
	known   bool
	// wake has an element when something was let wait.
	wake chan struct{}
	// lease is held while leases are extended or settled, and guards the jobs' tokens.
	lease sync.RWMutex
	// answers tells that Redis answered when it was last asked for the stream.
	answers atomic.Bool
}

func newStream(name, group string, logger *zap.Logger) (*stream, error) {
	if !groupSyntax.MatchString(group) {
		return nil, fmt.Errorf("the group %q is not up to 200 letters, digits and _ . -", group)
	}
	tag, err := hashTag(name)
	if err != nil {
		return nil, err
	}
	base := "consumer:{" + tag + "}:" + group + ":" + name + ":"
	return &stream{
		name: name, group: group, base: base,
		due: base + "due", leased: base + "leased", entries: base + "entries", state: base + "state",
		dead: base + "dead", replaying: base + "replaying", audit: base + "audit", aside: base + "aside",
		owner: base + "owner", parked: base + "parked",
		logger:  logger.With(zap.String("group", group), zap.String("stream", name)),
		wake:    make(chan struct{}, 1),
		trouble: &trouble{logger: logger.With(zap.String("group", group), zap.String("stream", name)), what: "working on the lane"},
	}, nil
}

// hashTag is what a key must have between braces to be in the slot of the stream: its
// own hash tag, or else its name. A name without a tag and with a closing brace has no
// such, as the tag would end there.
func hashTag(name string) (string, error) {
	if name == "" || len(name) > 1024 {
		return "", fmt.Errorf("the name of a stream has %d bytes, it must have from 1 to 1024", len(name))
	}
	if _, after, ok := strings.Cut(name, "{"); ok {
		if tag, _, ok := strings.Cut(after, "}"); ok && tag != "" {
			return tag, nil
		}
	}
	if strings.Contains(name, "}") {
		return "", fmt.Errorf("the name %q has a } and no hash tag: no other key could be kept beside such a stream", name)
	}
	return name, nil
}
