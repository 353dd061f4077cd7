package exchange

// head.go holds what an exchange does, and notes, when the header of its answer goes out.

import (
	"net/http"
	"time"
)

// pinned is a header that the answer has with exactly one value.
type pinned struct {
	name  string
	value [1]string
}

// PinHeader sets a header, given in canonical form, which goes out with this one
// value. Setting it would not do: reverse_proxy adds the upstream's headers to those
// that are there, and the upstream may be a gateway that sets the same one.
func (x *Exchange) PinHeader(header http.Header, name, value string) {
	x.pinned = &pinned{name, [1]string{value}}
	x.pinned.set(header)
}

func (p *pinned) set(header http.Header) {
	if values := header[p.name]; len(values) != 1 || values[0] != p.value[0] {
		header[p.name] = p.value[:]
	}
}

// Begin implements Owner. That the time of a stream is apart saves every other request
// the room.
func (x *Exchange) Begin(int) (hold bool) {
	if x.pinned != nil {
		x.pinned.set(x.Header())
	}
	if x.streamedAt == nil && x.Streams() {
		now := time.Now()
		x.streamedAt = &now
	}
	return false
}
