package lease

// instance.go holds what an instance tells about itself, and what of it is believed.

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	mostValue  = 16 << 10 // bytes of a value
	mostName   = 128      // bytes of an id, a service or a part of a prefix
	mostText   = 64       // bytes of a stage, version or zone
	mostWeight = 1e6
	mostLoad   = 1e6
)

// Instance is one process of a service: the value of its key, as JSON.
type Instance struct {
	// ID identifies the instance within its service and is the last part of its key:
	// 1 to 128 letters, digits and any of ._~:@+[]- . An id that stays the same when the
	// instance restarts, such as its address, never leaves two keys of one instance, but
	// must wait for the session of a crashed predecessor to expire. Required.
	ID string `json:"id"`
	// Address is an IP address, or a host name that those who connect can resolve.
	// Required.
	Address string `json:"address"`
	// Port is the TCP port, 1 to 65535. Required.
	Port int `json:"port"`
	// Scheme is how to talk to it: http, https or h2c. Default: http.
	Scheme string `json:"scheme,omitempty"`
	// Weight is its weight beside others, 0 to 1,000,000. Default: 1. In a value, and for
	// Update, 0 is no default but asks for no traffic.
	Weight float64 `json:"weight"`
	// Stage, Version and Zone are texts of at most 64 bytes that users of the service
	// can choose by. Default: none.
	Stage   string `json:"stage,omitempty"`
	Version string `json:"version,omitempty"`
	Zone    string `json:"zone,omitempty"`
	// StartedAt is when the instance started. Default: unknown; for Hold, the time of the
	// call.
	StartedAt time.Time `json:"started_at,omitzero"`
	// Draining means that the instance is going away and wants no new requests.
	Draining bool `json:"draining,omitempty"`
	// Load is how busy the instance is as a share of what it can do, 0 to 1,000,000.
	// Default: 0.
	Load float64 `json:"load,omitempty"`
}

// Decode reads the value of a key. Fields that it does not know are left out, missing
// ones have their defaults. IP addresses and host names come back in one spelling, times in UTC. The
// error says what is wrong; nothing of such a value may be used.
func Decode(value []byte) (Instance, error) {
	if len(value) > mostValue {
		return Instance{}, fmt.Errorf("the value has %d bytes, more than %d", len(value), mostValue)
	}
	if !utf8.Valid(value) {
		return Instance{}, errors.New("the value is no UTF-8 text")
	}
	i := Instance{Weight: 1}
	if err := json.Unmarshal(value, &i); err != nil {
		return Instance{}, fmt.Errorf("the value is no JSON of an instance: %w", err)
	}
	i.normalize()
	if err := i.Validate(); err != nil {
		return Instance{}, err
	}
	return i, nil
}

// normalize gives an instance its defaults, and its address and time the one spelling.
func (i *Instance) normalize() {
	i.StartedAt = i.StartedAt.UTC().Round(0)
	if i.Scheme == "" {
		i.Scheme = "http"
	}
	if ip, err := netip.ParseAddr(i.Address); err == nil {
		i.Address = ip.Unmap().String()
	} else {
		i.Address = strings.ToLower(i.Address)
	}
}

// Validate says what of an instance makes no sense.
func (i Instance) Validate() error {
	if err := validName("id", i.ID); err != nil {
		return err
	}
	if fault := addressFault(i.Address); fault != "" {
		return fmt.Errorf("address %s %s", quoted(i.Address), fault)
	}
	switch {
	case i.Port < 1 || i.Port > 65535:
		return fmt.Errorf("port %d is not one of 1 to 65535", i.Port)
	case i.Scheme != "" && i.Scheme != "http" && i.Scheme != "https" && i.Scheme != "h2c":
		return fmt.Errorf("scheme %s is not http, https or h2c", quoted(i.Scheme))
	case !(i.Weight >= 0 && i.Weight <= mostWeight):
		return fmt.Errorf("weight %v is not between 0 and %d", i.Weight, int(mostWeight))
	case !(i.Load >= 0 && i.Load <= mostLoad):
		return fmt.Errorf("load %v is not between 0 and %d", i.Load, int(mostLoad))
	case !i.StartedAt.IsZero() && (i.StartedAt.Year() < 1970 || i.StartedAt.Year() > 9999):
		return errors.New("started_at is not between the years 1970 and 9999")
	}
	for _, text := range [...]struct{ name, value string }{{"stage", i.Stage}, {"version", i.Version}, {"zone", i.Zone}} {
		if len(text.value) > mostText || !utf8.ValidString(text.value) || strings.ContainsFunc(text.value, isUnprintable) {
			return fmt.Errorf("%s %s is no printable text of at most %d bytes", text.name, quoted(text.value), mostText)
		}
	}
	return nil
}

// HostPort returns address and port as they are dialled; IPv6 addresses are in brackets.
func (i Instance) HostPort() string { return net.JoinHostPort(i.Address, strconv.Itoa(i.Port)) }

func (i Instance) encode() ([]byte, error) { return json.Marshal(i) }

// addressFault tells why an address is none to connect to.
func addressFault(address string) string {
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil && !isHostname(address):
		return "is neither an IP address nor a host name"
	case err != nil:
		return ""
	case ip.Zone() != "":
		return "has a zone, which means nothing on other machines"
	case ip.IsUnspecified(), ip.IsMulticast(), ip.Unmap() == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is not the address of one machine"
	}
	return ""
}

// isHostname also refuses names whose last part is a number: some resolvers take
// 127.1 and 0x7f000001 for addresses, which would get around a list of allowed ones.
func isHostname(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '_' }) {
			return false
		}
	}
	return !isDigit(rune(labels[len(labels)-1][0]))
}

// validName keeps names to what needs no escaping in a key or a URL.
func validName(what, name string) error {
	if name == "" || len(name) > mostName || name == "." || name == ".." ||
		strings.ContainsFunc(name, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("._~:@+[]-", r) }) {
		return fmt.Errorf("%s %s is not made of 1 to %d letters, digits and any of ._~:@+[]-", what, quoted(name), mostName)
	}
	return nil
}

func isDigit(r rune) bool        { return '0' <= r && r <= '9' }
func isAlphanumeric(r rune) bool { return isDigit(r) || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }
func isUnprintable(r rune) bool  { return !unicode.IsPrint(r) }

// quoted shows a foreign text, and not all of a long one.
func quoted(text string) string {
	if len(text) > mostText {
		return strconv.QuoteToASCII(text[:mostText]) + "..."
	}
	return strconv.QuoteToASCII(text)
}

// differs tells whether new is worth a write where old was written: a weight or load by
// more than a tenth, a load by 0.01 at least, anything else at all.
func differs(old, new Instance) bool {
	changed := func(old, new, least float64) bool {
		change := math.Abs(new - old)
		return change > 0.1*old && change > least || (old == 0) != (new == 0) && least == 0
	}
	if changed(old.Weight, new.Weight, 0) || changed(old.Load, new.Load, 0.01) {
		return true
	}
	old.Weight, old.Load = new.Weight, new.Load
	sameStart := old.StartedAt.Equal(new.StartedAt)
	old.StartedAt = new.StartedAt
	return old != new || !sameStart
}
