package openapi

// violations.go keeps the last violations of a contract, for operators to look at.

import (
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/weirproxy/weir/governance/contract/schema"
)

const (
	// keptViolations is how many violations are kept for each contract.
	keptViolations = 1000
	// maxTextBytes cuts names, pointers and details, parts of which may be a client's.
	maxTextBytes = 200
)

// direction says which half of an exchange is meant.
type direction uint8

const (
	request direction = iota
	response
)

var directions = [...]string{request: "request", response: "response"}

func (d direction) String() string { return directions[d] }

// violation is one violation as operators see it. It shows no value of the request or the response.
type violation struct {
	Time       time.Time `json:"time"`
	Operation  string    `json:"operation"`
	Generation uint64    `json:"generation"`
	Direction  string    `json:"direction"`
	In         string    `json:"in"`
	Name       string    `json:"name,omitempty"`
	Pointer    string    `json:"pointer,omitempty"`
	Code       string    `json:"code"`
	Detail     string    `json:"detail,omitempty"`
	TraceID    string    `json:"trace_id,omitempty"`
}

// ring holds the last violations of a contract. It belongs to the live state and survives reloads.
type ring struct {
	mu   sync.Mutex
	kept []violation // grows to keptViolations, then its oldest is overwritten
	next int         // where the next one goes
}

func (r *ring) add(violations []violation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range violations {
		if len(r.kept) < keptViolations {
			r.kept = append(r.kept, v)
		} else {
			r.kept[r.next] = v
		}
		r.next = (r.next + 1) % keptViolations
	}
}

// list returns what is kept, the latest first.
func (r *ring) list() []violation {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Clone(r.kept)
	if len(list) == keptViolations { // the oldest stands where the next one goes
		list = slices.Concat(r.kept[r.next:], r.kept[:r.next])
	}
	slices.Reverse(list)
	return list
}

// redacted are the violations of a report for rings and logs. The details leave values out, unless the operator
// had them shown to clients: then it is the details that are left out.
func redacted(rep *schema.Report, at violation) []violation {
	list := make([]violation, len(rep.Violations))
	for i, v := range rep.Violations {
		list[i] = at
		list[i].In, list[i].Name, list[i].Pointer, list[i].Code = v.In, clip(v.Name), clip(v.Pointer), v.Code
		if !rep.Values {
			list[i].Detail = clip(v.Detail)
		}
	}
	return list
}

// clip cuts a text to maxTextBytes, between characters.
func clip(text string) string {
	if len(text) <= maxTextBytes {
		return text
	}
	end := maxTextBytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
