package discovery

// hearing.go is what a Watcher does with an answer, or without one.

import (
	"log/slog"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

// recall begins with the initial set, or else with that of the cache file.
func (w *Watcher) recall(now time.Time) {
	status := w.status
	if set := w.settings.Initial; set == nil || !w.begin(set.Instances, set.Index, set.At, &status) {
		instances, confirmed, err := w.cache.read(now)
		if err != nil {
			status.CacheError = err.Error()
		} else if w.begin(instances, 0, confirmed, &status) {
			status.FromCache = true
			w.log.Info("instances are those of the cache file until there is an answer",
				slog.Int("instances", status.Instances), slog.Time("confirmed", confirmed))
		}
	}
	w.change(status)
}

// begin makes a set of instances that were told in the past, if the settings leave any.
func (w *Watcher) begin(instances []lease.Instance, index uint64, at time.Time, status *Status) bool {
	h := w.settings.sift(instances, status)
	if len(h.listed) == 0 {
		return false
	}
	w.guard.members, w.guard.remembered = h.listed, true
	set := &Set{Instances: w.settings.choose(&w.guard), Index: index, At: at}
	status.Instances = len(set.Instances)
	w.publish(set)
	return true
}

// fail notes that a question was not answered. The set stays.
func (w *Watcher) fail(err error, now time.Time) {
	w.guard.interrupt()
	status := w.Status()
	if status.Up {
		status.Since = now
	}
	status.Up, status.Error = false, err.Error()
	status.Errors++
	status.EmptySince = w.guard.emptySince
	w.change(status)
}

// succeed takes the latest answer over. Also one that is not new is news to the guard.
func (w *Watcher) succeed(index uint64, changed bool, now time.Time) {
	status := w.Status()
	if changed || !w.guard.due().IsZero() {
		w.take(&status, now)
	}
	if !status.Up {
		status.Since = now
	}
	status.Up, status.Error, status.FromCache = true, "", false
	status.Index, status.AnsweredAt = index, now
	status.Answers++
	w.change(status)
}

// take makes a set of what was heard.
func (w *Watcher) take(status *Status, now time.Time) {
	g := &w.guard
	g.take(w.settings.sift(w.heard.Instances, status), now)
	set := &Set{Instances: w.settings.choose(g), Index: w.heard.Index, At: now}
	w.publish(set)
	status.Instances = len(set.Instances)
	status.Malformed, status.MalformedWhy = w.heard.Malformed, w.heard.Why
	status.Held, status.HeldTotal = len(g.held), g.heldTotal
	status.EmptySince, status.EmptyDoubted, status.EmptyBelieved = g.emptySince, g.doubted, g.believed
}

// keep brings the cache file up to date, unless it was written a moment ago. The last
// time, that does not matter.
func (w *Watcher) keep(now time.Time, last bool) {
	c := &w.cache
	if w.guard.emptySince.IsZero() && !last {
		c.note(w.guard.members, now)
	}
	if !c.pending || !last && now.Before(c.due()) {
		return
	}
	status := w.Status()
	status.CacheError = ""
	if err := c.write(now); err != nil {
		status.CacheError = err.Error()
	}
	w.change(status)
}

// change makes a status the one to show, and tells of what is another state. Only run
// changes it, or what is before run.
func (w *Watcher) change(status Status) {
	w.mu.Lock()
	w.status = status
	w.mu.Unlock()
	w.tell(status)
}

// state is what is worth a line when it changes.
type state struct{ down, doubting, empty, holding, malformed, refused, cacheFailing bool }

func (s Status) state() state {
	return state{
		down:         !s.Up && s.Errors > 0,
		doubting:     !s.EmptySince.IsZero(),
		empty:        s.Answers > 0 && s.Instances == 0,
		holding:      s.Held > 0 && s.EmptySince.IsZero(),
		malformed:    s.Malformed > 0,
		refused:      s.Refused > 0,
		cacheFailing: s.CacheError != "",
	}
}

func (w *Watcher) tell(s Status) {
	was, is := w.told, s.state()
	if is.down { // what answers say is as it was when there were some
		now := was
		now.down, now.cacheFailing = true, is.cacheFailing
		is = now
	}
	if is == was {
		return
	}
	w.told = is
	for _, change := range []struct {
		was, is    bool
		begin, end string
		detail     slog.Attr
	}{
		{was.down, is.down, "there is no answer; the instances known last stay in use", "there are answers again",
			slog.String("error", s.Error)},
		{was.doubting, is.doubting, "there are no instances any more, which is not believed yet", "the doubt whether there are instances is over",
			slog.Int("held", s.Held)},
		{was.empty, is.empty, "there are no instances", "there are instances", slog.Time("at", s.AnsweredAt)},
		{was.holding, is.holding, "more instances went than may be removed at a time; the others are held back", "no instance is held back any more",
			slog.Int("held", s.Held)},
		{was.malformed, is.malformed, "entries that make no sense are skipped", "all entries make sense again",
			slog.String("one", s.MalformedWhy)},
		{was.refused, is.refused, "instances outside the allowed addresses are refused", "all instances have allowed addresses again",
			slog.String("one", s.RefusedAddress)},
		{was.cacheFailing, is.cacheFailing, "the cache file cannot be used", "the cache file is in use again",
			slog.String("error", s.CacheError)},
	} {
		switch {
		case change.is && !change.was:
			w.log.Warn(change.begin, slog.Int("instances", s.Instances), change.detail)
		case change.was && !change.is:
			w.log.Info(change.end, slog.Int("instances", s.Instances))
		}
	}
}
