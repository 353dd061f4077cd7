package cohort

// layout.go divides [0,1) among stages.

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxStage is the most bytes that the name of a stage has: a token with a pin must have
// room for it.
const MaxStage = 40

// A share is a whole number of 2^-shareBits.
const (
	shareBits = 48
	wholeUnit = uint64(1) << shareBits
)

// tooMuch is by how much the sum of shares may be over 1: as numbers, 0.7, 0.2 and 0.1
// are more than 1 in some orders.
const tooMuch = 1e-9

// Stage is a stage of a release.
type Stage struct {
	// Name identifies the stage in its layout: 1 to MaxStage bytes. Required.
	Name string
	// Share is the part of all points that get the stage, 0 (nobody) to 1 (everybody), to
	// a precision of 2^-48. The shares of a layout are at most 1 together.
	Share float64
	// Rest gives the stage what the others leave, and it must have no Share. Exactly one
	// stage of a layout has the rest; it is the one that is called stable.
	Rest bool
}

// Layout says which point gets which stage. The first stage but the rest grows from 0
// upwards. The others are stacked from 1 downwards in their order, and the rest is in
// between:
//
//	0 [first -> ... rest ... <- third][<- second] 1
//
// So raising the share of the first stage takes points from the rest alone. Raising that
// of another moves those below it as well; none of them falls back to the rest, and
// no stage ever loses a point by a raise of its own share.
//
// A Layout does not change and may be used concurrently.
type Layout struct {
	stages []Stage // as given; the rest has its share
	rest   int
	first  int
	below  uint64 // first has the points below
	upper  []bound
}

// bound is where a stage that is stacked from above begins. Those of a layout are in
// descending order.
type bound struct {
	from  uint64
	stage int
}

// NewLayout returns the layout of stages, in that order. The error says what of them
// makes no sense.
func NewLayout(stages []Stage) (*Layout, error) {
	l := &Layout{stages: slices.Clone(stages)}
	if err := l.check(); err != nil {
		return nil, err
	}
	left, top := wholeUnit, wholeUnit
	isFirst := true
	for i, stage := range l.stages {
		if stage.Rest {
			l.rest = i
			continue
		}
		// what rounding has put on top is cut off, so that no stage reaches into another
		units := min(uint64(math.Round(stage.Share*float64(wholeUnit))), left)
		left -= units
		if isFirst {
			l.first, l.below, isFirst = i, units, false
			continue
		}
		top -= units
		l.upper = append(l.upper, bound{top, i})
	}
	l.stages[l.rest].Share = float64(left) / float64(wholeUnit)
	return l, nil
}

// At returns the index of the stage that p gets, in the order of NewLayout.
func (l *Layout) At(p Point) int {
	at := uint64(p) >> (64 - shareBits)
	if at < l.below {
		return l.first
	}
	for _, b := range l.upper {
		if at >= b.from {
			return b.stage
		}
	}
	return l.rest
}

// Stages returns the stages in the order of NewLayout. The Share of the rest is what
// the others leave.
func (l *Layout) Stages() []Stage { return slices.Clone(l.stages) }

// With returns the layout with other shares for the stages that are named; l stays as
// it is. The error says what of them makes no sense.
func (l *Layout) With(shares map[string]float64) (*Layout, error) {
	stages := l.Stages()
	stages[l.rest].Share = 0
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		i := slices.IndexFunc(stages, func(s Stage) bool { return s.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("there is no stage %q", name)
		case i == l.rest:
			return nil, fmt.Errorf("stage %s has what the others leave: change their shares", name)
		}
		stages[i].Share = shares[name]
	}
	return NewLayout(stages)
}

// check says what of the stages makes no sense.
func (l *Layout) check() error {
	names := make(map[string]bool)
	rest := ""
	sum := 0.0
	for _, s := range l.stages {
		switch {
		case s.Name == "":
			return errors.New("a stage has no name")
		case len(s.Name) > MaxStage:
			return fmt.Errorf("the name of stage %s is longer than %d bytes", s.Name, MaxStage)
		case names[s.Name]:
			return fmt.Errorf("there are two stages %s", s.Name)
		case s.Rest && rest != "":
			return fmt.Errorf("stages %s and %s have no share: only one can have what the others leave", rest, s.Name)
		case s.Rest && s.Share != 0:
			return fmt.Errorf("stage %s has what the others leave, and %s: leave one out", s.Name, percent(s.Share))
		case !(s.Share >= 0 && s.Share <= 1): // not a number neither
			return fmt.Errorf("the share of stage %s is %s: it must be 0 %% to 100 %%", s.Name, percent(s.Share))
		}
		names[s.Name] = true
		if s.Rest {
			rest = s.Name
		}
		sum += s.Share
	}
	switch {
	case len(l.stages) == 0:
		return errors.New("there are no stages")
	case rest == "":
		return errors.New("every stage has a share: one must have none, and get what the others leave")
	case sum > 1+tooMuch:
		return fmt.Errorf("the shares are more than 100 %%: %s", l.addition(sum))
	}
	return nil
}

// addition shows how the shares come to sum.
func (l *Layout) addition(sum float64) string {
	var parts []string
	for _, s := range l.stages {
		if !s.Rest {
			parts = append(parts, s.Name+" "+percent(s.Share))
		}
	}
	return strings.Join(parts, " + ") + " = " + percent(sum)
}

// percent shows a share without the noise of its last digits.
func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e10)/1e8, 'f', -1, 64) + " %"
}
