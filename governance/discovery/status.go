package discovery

// status.go tells how the watch is doing, to those who ask and in the log.

import "time"

// Status is how the watch is doing.
type Status struct {
	// Up tells that the latest question was answered; Since is when that changed, or
	// when the watch began.
	Up    bool      `json:"up"`
	Since time.Time `json:"since"`
	// Error is why the latest question was not answered; it is empty if it was.
	Error string `json:"error,omitempty"`
	// Answers and Errors count questions.
	Answers uint64 `json:"answers"`
	Errors  uint64 `json:"errors"`
	// Index is Consul's in the latest answer, which was at AnsweredAt. While nothing
	// changes there is an answer every Settings.Wait.
	Index      uint64    `json:"index"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`

	// Instances is how many are in the set; FromCache tells that it was read from the
	// cache file and there has been no answer yet.
	Instances int  `json:"instances"`
	FromCache bool `json:"from_cache,omitempty"`
	// Malformed is how many entries of the latest answer make no sense; MalformedWhy
	// says what is wrong with one.
	Malformed    int    `json:"malformed,omitempty"`
	MalformedWhy string `json:"malformed_why,omitempty"`
	// Refused is how many instances of the latest answer have an address outside
	// Settings.Allow; RefusedAddress is one of those.
	Refused        int    `json:"refused,omitempty"`
	RefusedAddress string `json:"refused_address,omitempty"`
	// Superseded is how many instances of the latest answer are not used because one
	// that started later has the same address.
	Superseded int `json:"superseded,omitempty"`
	// Held is how many instances are in the set though the latest answer does not have
	// them, and HeldTotal counts all that ever were.
	Held      int    `json:"held,omitempty"`
	HeldTotal uint64 `json:"held_total,omitempty"`
	// EmptySince, if not zero, is since when the answers have no instances, which is
	// not believed yet. EmptyDoubted counts how often that began, EmptyBelieved how
	// often it ended with an empty set.
	EmptySince    time.Time `json:"empty_since,omitzero"`
	EmptyDoubted  uint64    `json:"empty_doubted,omitempty"`
	EmptyBelieved uint64    `json:"empty_believed,omitempty"`
	// CacheError is why the cache file could not be used or written last; it is empty
	// if it could.
	CacheError string `json:"cache_error,omitempty"`
}

// Status tells how the watch is doing.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}
