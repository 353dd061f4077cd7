package health

// load_shed_log.go tells of refusals in the log, few lines of many.

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/governance/shed"
)

// reportEvery is how often refusals are logged.
const reportEvery = 10 * time.Second

// refusalLog logs the first refusal at once, and what follows every ten seconds until
// there are none: an overload that is over sooner is told of all the same, and no line
// is about refusals of another time.
type refusalLog struct {
	what string

	mu      sync.Mutex
	waiting bool // a line is due at the end of the ten seconds
	unsaid  refusals
}

// refusals are what a line tells.
type refusals struct {
	total      int
	byPriority [len(shed.Priorities)]int
	byReason   [shed.Limit + 1]int
	pressure   float64   // the highest
	inFlight   int       // the most
	handler    *LoadShed // the last one: that of the latest configuration
}

// add notes a refusal by h.
func (l *refusalLog) add(h *LoadShed, p shed.Priority, reason shed.Reason, pressure float64) {
	l.mu.Lock()
	u := &l.unsaid
	u.total++
	u.byPriority[p]++
	u.byReason[reason]++
	u.pressure = max(u.pressure, pressure)
	u.inFlight = max(u.inFlight, h.shedder.InFlight())
	u.handler = h
	if l.waiting {
		l.mu.Unlock()
		return
	}
	l.writeAndUnlock()
}

// due is the end of ten seconds.
func (l *refusalLog) due() {
	l.mu.Lock()
	if l.unsaid.total == 0 {
		l.waiting = false
		l.mu.Unlock()
		return
	}
	l.writeAndUnlock()
}

// writeAndUnlock logs what is unsaid, and has the next line come in ten seconds. The
// caller holds mu; nobody waits for the log.
func (l *refusalLog) writeAndUnlock() {
	u := l.unsaid
	l.unsaid = refusals{}
	l.waiting = true
	l.mu.Unlock()
	time.AfterFunc(reportEvery, l.due)
	u.log(l.what)
}

func (u *refusals) log(what string) {
	fields := []zap.Field{zap.String("load_shed", u.handler.Name), zap.Int("requests", u.total)}
	for _, p := range shed.Priorities {
		fields = append(fields, zap.Int(p.String(), u.byPriority[p]))
	}
	for _, r := range []shed.Reason{shed.Pressure, shed.Limit} {
		fields = append(fields, zap.Int("by_"+r.String(), u.byReason[r]))
	}
	u.handler.logger.Warn(what, append(fields,
		zap.Float64("highest_pressure", u.pressure),
		zap.Int("most_in_flight", u.inFlight),
		zap.Int("limit", u.handler.shedder.Limit()))...)
}
