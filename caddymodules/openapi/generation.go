package openapi

// generation.go is one document as it was, or is, in force.

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/contract"
)

// Where the document of a generation came from.
const (
	originFile     = "file"
	originURL      = "url"
	originPushed   = "pushed"
	originRollback = "rollback"
)

// keptRevisions is how many are kept to roll back to, the one in force among them.
const keptRevisions = 5

// revision is what is kept of a generation once another is in force: enough to compile it again. The compiled
// contract is not kept, as it takes many times the memory of its text.
type revision struct {
	// number counts the generations of a name since the process started, from 1 on.
	number uint64
	// document is the number of the generation that the document came with: an older one for a rollback.
	document uint64
	// hash is that of texts, etag what the server of a URL called them.
	hash, etag string
	openapi    string // version of the specification
	origin     string
	loadedAt   time.Time
	texts      *texts
}

// generation is a document in force. It never changes; a request keeps the one it began with to the end of its
// response.
type generation struct {
	revision
	contract *contract.Contract
	compile  string // the compile settings, equal if and only if those of two generations are
}

// keep adds a revision to those kept, the latest last. It takes the place of an older one of the same document, so that
// going back and forth does not push out what is different.
func keep(kept []revision, r revision) []revision {
	kept = slices.DeleteFunc(slices.Clone(kept), func(k revision) bool { return k.hash == r.hash })
	kept = append(kept, r)
	return kept[max(0, len(kept)-keptRevisions):]
}
