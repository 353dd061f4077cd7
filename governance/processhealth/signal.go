package processhealth

// signal.go turns samples into levels, and levels into a verdict.

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The signals.
const (
	cpu = iota
	memory
	heap
	gcPause
	schedulerLatency
	goroutines
	openFiles
	signalCount
)

// kind is what a signal is called and what its numbers are: ratio, seconds or count.
type kind struct{ name, unit string }

var kinds = [signalCount]kind{
	cpu:              {"cpu", "ratio"},
	memory:           {"memory", "ratio"},
	heap:             {"heap", "ratio"},
	gcPause:          {"gc_pause", "seconds"},
	schedulerLatency: {"scheduler_latency", "seconds"},
	goroutines:       {"goroutines", "count"},
	openFiles:        {"open_files", "ratio"},
}

// text is a value for people.
func (k kind) text(value float64) string {
	switch k.unit {
	case "ratio":
		return strconv.FormatFloat(math.Round(value*1000)/10, 'f', -1, 64) + "%"
	case "seconds":
		return time.Duration(value * float64(time.Second)).Round(10 * time.Microsecond).String()
	default:
		return strconv.FormatFloat(math.Round(value), 'f', -1, 64)
	}
}

// readings are the values of one sample; NaN where there is none.
type readings [signalCount]float64

// source is where samples come from.
type source interface {
	read() readings
	close()
}

// signal is what the samples of one signal come to.
type signal struct {
	known           bool
	missing         int     // samples in a row that did not have it
	value           float64 // moving average
	warning, danger latch
}

// latch is on after enough samples in a row that say so, and off again after enough
// that deny it.
type latch struct {
	on  bool
	run int // samples in a row that contradict on
}

func (l *latch) step(above bool, enter, leave int) {
	if above == l.on {
		l.run = 0
		return
	}
	l.run++
	if above && l.run >= enter || !above && l.run >= leave {
		l.on, l.run = above, 0
	}
}

func (s *signal) step(sample float64, t Thresholds, settings *Settings) {
	switch {
	case math.IsNaN(sample):
		// A reading that is lost now and then changes nothing; a signal that is not told
		// any more must not hold a level for ever.
		if s.missing++; s.missing >= settings.Leave {
			*s = signal{}
		}
		return
	case !s.known:
		s.known, s.value = true, sample
	default:
		s.value += settings.Smoothing * (sample - s.value)
	}
	s.missing = 0
	s.warning.step(s.value >= t.Warning, settings.Enter, settings.Leave)
	s.danger.step(s.value >= t.Danger, settings.Enter, settings.Leave)
}

func (s *signal) level() Level {
	switch {
	case s.danger.on:
		return Danger
	case s.warning.on:
		return Warning
	default:
		return Healthy
	}
}

// pressure is 0 at the warning and 1 at the danger threshold.
func (s *signal) pressure(t Thresholds) float64 {
	return min(1, max(0, (s.value-t.Warning)/(t.Danger-t.Warning)))
}

// judge makes the verdict. The caller holds mu.
func (m *Monitor) judge() Verdict {
	var pressure [signalCount]float64
	var level [signalCount]Level
	for i := range m.signals {
		pressure[i] = m.signals[i].pressure(m.settings.thresholds(i))
		level[i] = m.signals[i].level()
	}
	m.press(max(pressure[cpu], pressure[memory], pressure[heap], min(pressure[gcPause], pressure[goroutines])))
	v := Verdict{Pressure: m.pressure, Weight: 0.1 + 0.9*(1-m.pressure)}

	var culprits []int
	for _, i := range []int{cpu, memory, heap} {
		if level[i] == Danger {
			culprits = append(culprits, i)
		}
	}
	if level[gcPause] == Danger && level[goroutines] == Danger {
		culprits = append(culprits, gcPause, goroutines)
	}
	if len(culprits) > 0 {
		v.Level = Danger
	} else {
		for i := range level {
			if level[i] >= Warning {
				v.Level = Warning
				culprits = append(culprits, i)
			}
		}
	}
	v.Reason = m.reason(culprits)
	return v
}

// pressureSmoothing is the weight of the latest sample in the pressure. What is shed by
// the pressure lowers it again, one sample later, and between the CPU's warning and its
// danger there are only 15 points: a pressure that follows the signals at once has
// everything admitted and refused in turns (loop_test.go).
const pressureSmoothing = 0.2

// press lets the pressure follow what the latest sample comes to. A rest that is too
// little to matter counts as none.
func (m *Monitor) press(sample float64) {
	m.pressure += pressureSmoothing * (sample - m.pressure)
	if m.pressure < 0.001 {
		m.pressure = 0
	}
}

// reason names signals with their values.
func (m *Monitor) reason(signals []int) string {
	var parts []string
	for _, i := range signals {
		parts = append(parts, fmt.Sprintf("%s %s", kinds[i].name, kinds[i].text(m.signals[i].value)))
	}
	return strings.Join(parts, ", ")
}
