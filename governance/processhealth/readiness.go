package processhealth

// readiness.go tells whether the process wants new work at all. Load has no say in it.

import "time"

// Readiness is whether the process wants traffic.
type Readiness struct {
	Ready bool `json:"ready"`
	// Reasons name what is against it: draining, operator, or "check <name>".
	Reasons []string `json:"reasons,omitempty"`
	// Weight is that of the Verdict: the share of its traffic the process wants.
	Weight float64 `json:"weight"`
}

// Decision is what an operator decided about readiness. The zero Decision leaves it
// to the process.
type Decision struct {
	// Kind is empty, or NotReady or Draining.
	Kind string `json:"kind,omitempty"`
	// Until is when the decision ends; zero means never.
	Until time.Time `json:"until,omitzero"`
}

// Kinds of a Decision. Both make the process unready; they differ in the reason shown.
const (
	NotReady = "not_ready"
	Draining = "draining"
)

func (d Decision) at(now time.Time) Decision {
	if !d.Until.IsZero() && !now.Before(d.Until) {
		return Decision{}
	}
	return d
}

// Drain makes the process unready because it is going away, or takes that back.
func (m *Monitor) Drain(draining bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.draining = draining
}

// Decide makes d the operator's decision, in place of any before.
func (m *Monitor) Decide(d Decision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.decision = d
}

// Decision returns the operator's decision that holds now.
func (m *Monitor) Decision() Decision {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.decision.at(time.Now())
}

// Readiness tells whether the process is ready. It fails while the process drains,
// while an operator says so, and while a check fails, which those that the monitor
// started with do until their first answer; never because of load.
func (m *Monitor) Readiness() Readiness {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Readiness{Weight: m.Verdict().Weight}
	decision := m.decision.at(time.Now())
	if m.draining || decision.Kind == Draining || m.settings.Draining != nil && m.settings.Draining() {
		r.Reasons = append(r.Reasons, "draining")
	}
	if decision.Kind == NotReady {
		r.Reasons = append(r.Reasons, "operator")
	}
	for _, c := range m.checks {
		if !c.report().OK {
			r.Reasons = append(r.Reasons, "check "+c.Name)
		}
	}
	r.Ready = len(r.Reasons) == 0
	return r
}
