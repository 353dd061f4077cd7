package rollout

// judge.go compares the two stages.

import (
	"fmt"
	"time"
)

// Action is what follows from a look.
type Action string

// Actions. Pause takes the place of Rollback where the settings say so.
const (
	Hold     Action = "hold"
	Promote  Action = "promote"
	Rollback Action = "rollback"
	Pause    Action = "pause"
)

// Rule is what decided.
type Rule string

// Rules. The first two take a canary back or hold it; the others hold it, except for
// RuleOperator, which is that of an operator's own rollback.
const (
	RuleErrors     Rule = "errors"
	RuleLatency    Rule = "latency"
	RuleRequests   Rule = "requests"   // too few of them
	RuleUnanswered Rule = "unanswered" // the canary leaves more requests without an answer
	RuleInterval   Rule = "interval"   // fit for the next step, but it is not over
	RulePaused     Rule = "paused"
	RuleDone       Rule = "done" // no next step
	RuleOperator   Rule = "operator"
)

// Verdict is what a look says, with its numbers.
type Verdict struct {
	Action Action `json:"action"`
	// Rule is empty if the action is Promote.
	Rule Rule `json:"rule,omitempty"`
	// Text says it to people.
	Text string `json:"text"`
	// Share is the canary's, when the look was.
	Share float64 `json:"share"`
	// Since and Until are the window.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`

	Canary Side `json:"canary"`
	Stable Side `json:"stable"`

	// ErrorIncrease is the canary's error rate less that of stable.
	ErrorIncrease float64 `json:"error_increase"`
	// ErrorP is the probability of so many errors, or more, of a canary that is just as
	// bad as may be; 1 if nothing speaks against it.
	ErrorP float64 `json:"error_p"`
	// LatencyRatio is the canary's latency by that of stable, or 0 before both have one.
	LatencyRatio float64 `json:"latency_ratio"`
	// LatencyP is as ErrorP, of so many slow requests.
	LatencyP float64 `json:"latency_p"`
	// Slow is how many requests of the canary took SlowSeconds or longer, which is as
	// long as may be; those whose clients waited as long and left are among them.
	// SlowSeconds is 0 before stable has answered.
	Slow        int     `json:"slow"`
	SlowSeconds float64 `json:"slow_seconds"`
}

// Side is what one stage did in a window.
type Side struct {
	// Requests are those that ended.
	Requests int `json:"requests"`
	Errors   int `json:"errors"`
	// Unanswered began and did not end, or not yet.
	Unanswered int     `json:"unanswered"`
	ErrorRate  float64 `json:"error_rate"`
	// LatencySeconds is Settings.Quantile of the latencies; 0 without any.
	LatencySeconds float64 `json:"latency_seconds"`
}

func (s sample) side(quantile float64) Side {
	return Side{
		Requests:       s.requests,
		Errors:         s.errors,
		Unanswered:     s.started - s.requests,
		ErrorRate:      ratio(s.errors, s.requests),
		LatencySeconds: s.latencies.quantile(quantile).Seconds(),
	}
}

func ratio(part, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(part) / float64(all)
}

// judge compares, and knows nothing of steps and times. If nothing fails, it is for
// promotion or says what speaks against it.
func judge(s Settings, canary, stable sample) Verdict {
	v := Verdict{Canary: canary.side(s.Quantile), Stable: stable.side(s.Quantile), ErrorP: 1, LatencyP: 1}
	v.ErrorIncrease = v.Canary.ErrorRate - v.Stable.ErrorRate
	if v.Canary.LatencySeconds > 0 && v.Stable.LatencySeconds > 0 {
		v.LatencyRatio = v.Canary.LatencySeconds / v.Stable.LatencySeconds
	}
	v.testErrors(s)
	v.testLatency(s, canary, stable)
	v.decide(s, canary.requests+canary.left.total, ratio(v.Canary.Unanswered, canary.started)-ratio(v.Stable.Unanswered, stable.started))
	return v
}

// testErrors sets ErrorP. An observed increase within the margin is no reason to
// compute anything: the bound on stable's rate is above what was observed.
func (v *Verdict) testErrors(s Settings) {
	if v.Canary.Errors < s.MinErrors || v.ErrorIncrease <= s.MaxErrorIncrease+epsilon || v.Stable.Requests == 0 {
		return
	}
	beta := s.Alpha / 2
	mayFail := rateBound(v.Stable.Errors, v.Stable.Requests, beta) + s.MaxErrorIncrease
	v.ErrorP = min(1, upperTail(v.Canary.Errors, v.Canary.Requests, mayFail)+beta)
}

// testLatency sets LatencyP: as many of the canary's requests are slower than
// MaxLatencyRatio times stable's quantile as would be if all its latencies were stable's
// times that. The buckets of the histograms make the limit later and the slow ones
// fewer than they are, never the other way round. So does what is taken for the latency
// of a request whose client left: with stable that it would have had no end, with the
// canary that it ended then.
func (v *Verdict) testLatency(s Settings, canary, stable sample) {
	canarys, stables := canary.requests+canary.left.total, stable.requests+stable.left.total
	limit := quantileRank(max(stables, 1), s.Quantile)
	if limit > stable.requests {
		return
	}
	v.SlowSeconds = upper(stable.latencies.rank(limit)).Seconds() * s.MaxLatencyRatio
	v.Slow = canary.latencies.slower(v.SlowSeconds) + canary.left.slower(v.SlowSeconds)
	if canarys < s.MinRequests || ratio(v.Slow, canarys) <= 1-s.Quantile {
		return
	}
	v.LatencyP = exceedances(v.Slow, canarys, limit, stables)
}

// decide sets what follows. canarys are the requests that LatencyP is about, and unanswered
// is how much more of its requests the canary leaves unanswered.
func (v *Verdict) decide(s Settings, canarys int, unanswered float64) {
	switch {
	case v.ErrorP <= s.Alpha:
		v.fail(RuleErrors, fmt.Sprintf("the canary fails more often than stable: %s of %d requests, against %s of %d",
			percent(v.Canary.ErrorRate), v.Canary.Requests, percent(v.Stable.ErrorRate), v.Stable.Requests))
	case v.LatencyP <= s.Alpha:
		v.fail(RuleLatency, fmt.Sprintf("the canary is slower than stable: %s of %d requests took %.4g s or longer, and %s may",
			percent(ratio(v.Slow, canarys)), canarys, v.SlowSeconds, percent(1-s.Quantile)))
	case v.Canary.Requests < s.MinRequests:
		v.hold(RuleRequests, fmt.Sprintf("the canary has answered %d of the %d requests that it takes", v.Canary.Requests, s.MinRequests))
	case v.Stable.Requests < s.MinRequests:
		v.hold(RuleRequests, fmt.Sprintf("stable has answered %d of the %d requests that it takes", v.Stable.Requests, s.MinRequests))
	case v.ErrorIncrease > s.MaxErrorIncrease+epsilon:
		v.hold(RuleErrors, fmt.Sprintf("the canary's error rate is %s above stable's, which may be chance; %s are allowed",
			percent(v.ErrorIncrease), percent(s.MaxErrorIncrease)))
	case v.LatencyRatio > s.MaxLatencyRatio:
		v.hold(RuleLatency, fmt.Sprintf("the canary takes %.3g times as long as stable, which may be chance; %.3g times are allowed",
			v.LatencyRatio, s.MaxLatencyRatio))
	case unanswered > s.MaxErrorIncrease+epsilon:
		v.hold(RuleUnanswered, fmt.Sprintf("the canary has not answered %d requests, and stable %d: of its own, that is %s more than of stable's",
			v.Canary.Unanswered, v.Stable.Unanswered, percent(unanswered)))
	default:
		v.Action, v.Text = Promote, "as good as stable"
	}
}

func (v *Verdict) fail(rule Rule, text string) { v.Action, v.Rule, v.Text = Rollback, rule, text }

func (v *Verdict) hold(rule Rule, text string) { v.Action, v.Rule, v.Text = Hold, rule, text }
