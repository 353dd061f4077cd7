package processhealth

// report.go shows everything a monitor knows, for people and programs.

import (
	"encoding/json"
	"net/http"
	"time"
)

// Report is the state of a monitor. It holds no secret, but the errors of its checks
// can name internal addresses: see Public.
type Report struct {
	Verdict
	Readiness Readiness      `json:"readiness"`
	Decision  Decision       `json:"decision,omitzero"`
	Signals   []SignalReport `json:"signals"`
	Checks    []CheckReport  `json:"checks,omitempty"`
}

// SignalReport is the state of a signal. Those that the system does not tell are
// missing from a Report.
type SignalReport struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	// Value is the moving average. Its unit, as that of the thresholds, is ratio
	// (1 is all there is), seconds or count.
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Warning float64 `json:"warning"`
	Danger  float64 `json:"danger"`
}

// CheckReport is the state of a check.
type CheckReport struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Since is when it became so.
	Since time.Time `json:"since"`
	// Error is that of the last poll.
	Error string `json:"error,omitempty"`
}

// Report returns what the monitor knows.
func (m *Monitor) Report() Report {
	r := Report{Readiness: m.Readiness(), Decision: m.Decision()}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Verdict = m.Verdict()
	r.Signals = make([]SignalReport, 0, signalCount)
	for i := range m.signals {
		s, t := &m.signals[i], m.settings.thresholds(i)
		if s.known {
			r.Signals = append(r.Signals, SignalReport{kinds[i].name, s.level(), s.value, kinds[i].unit, t.Warning, t.Danger})
		}
	}
	for _, c := range m.checks {
		r.Checks = append(r.Checks, c.report())
	}
	return r
}

// Public returns the report without the texts of errors.
func (r Report) Public() Report {
	checks := make([]CheckReport, len(r.Checks))
	for i, c := range r.Checks {
		c.Error = ""
		checks[i] = c
	}
	r.Checks = checks
	return r
}

// Handler answers GET and HEAD with JSON:
//
//	/livez    200 for as long as the process can answer at all
//	/readyz   the Readiness, with 200 or 503
//	/healthz  the public Report, with 200
//
// The first two are for whoever restarts the process and for whoever sends it traffic.
// The report tells how much load the process has, which is not everybody's business.
func (m *Monitor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { ServeLive(w) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		readiness := m.Readiness()
		status := http.StatusOK
		if !readiness.Ready {
			status = http.StatusServiceUnavailable
		}
		ServeJSON(w, status, readiness)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		ServeJSON(w, http.StatusOK, m.Report().Public())
	})
	return mux
}

// ServeLive answers that the process lives.
func ServeLive(w http.ResponseWriter) {
	ServeJSON(w, http.StatusOK, struct {
		Live bool `json:"live"`
	}{true})
}

// ServeJSON writes v as an answer that nobody may keep.
func ServeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // a Report has only finite numbers and texts
		http.Error(w, "the state cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has left needs no answer
}
