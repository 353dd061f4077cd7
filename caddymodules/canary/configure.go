package canary

// configure.go checks the configuration and fills in its defaults.

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/cohort"
)

// maxNameBytes bounds what becomes a label and a path.
const maxNameBytes = 100

// checkName refuses what cannot be a label, or looks as if each request could have a
// release of its own.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is needed, as in: canary_route checkout")
	case len(name) > maxNameBytes || !utf8.ValidString(name):
		return fmt.Errorf("name %.100q is longer than %d bytes or no UTF-8", name, maxNameBytes)
	case strings.ContainsAny(name, "{}"):
		return fmt.Errorf("name %q contains a placeholder: it must be a fixed text", name)
	}
	return nil
}

var stageNames = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_.-]{1,%d}$`, cohort.MaxStage))

// checkStageName refuses what cannot be in a header, in a token or in a label.
func checkStageName(name string) error {
	if !stageNames.MatchString(name) {
		return fmt.Errorf("stage %.60q: a name has 1 to %d letters, digits, and -, _ or dots", name, cohort.MaxStage)
	}
	return nil
}

// configure fills in the defaults and checks all that there is to check without a
// running Caddy.
func (h *Handler) configure() error {
	if err := checkName(h.Name); err != nil {
		return err
	}
	if h.Seed == "" {
		h.Seed = h.Name
	}
	h.hasher = cohort.NewHasher(h.Seed)
	for _, check := range []func() error{
		h.configureStages, h.checkRules, h.configureHeader, h.configureClients, h.configureGuard, h.configureAnswer,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	h.configureVary()
	h.announcer = newAnnouncer(h.Name, h.header, h.Stages)
	return nil
}

// configureStages lays out the stages.
func (h *Handler) configureStages() error {
	for _, stage := range h.Stages {
		if err := stage.check(); err != nil {
			return err
		}
	}
	h.stable = h.stageNamed(stableName)
	if h.stable < 0 {
		return errNoStable
	}
	for _, stage := range h.Stages {
		if (stage.HandleRaw == nil) != (h.Stages[0].HandleRaw == nil) {
			return fmt.Errorf("of the stages %s and %s only one has handlers: all have some, or none", h.Stages[0].Name, stage.Name)
		}
	}
	layout, err := cohort.NewLayout(h.cohortStages())
	if err != nil {
		return err
	}
	h.layout.Store(layout)
	return nil
}

var errNoStable = errors.New("there is no stage stable, which has all that the others leave; add: stage stable")

func (s *Stage) check() error {
	if err := checkStageName(s.Name); err != nil {
		return err
	}
	switch {
	case s.Name == stableName && s.Share != nil:
		return errors.New("stage stable has what the others leave: leave its share out")
	case s.Name != stableName && s.Share == nil:
		return fmt.Errorf("stage %s needs a share, such as 5%%; with 0%% it takes a header, a rule or a pin to get there", s.Name)
	}
	return nil
}

// cohortStages are the stages with the configured shares.
func (h *Handler) cohortStages() []cohort.Stage {
	stages := make([]cohort.Stage, len(h.Stages))
	for i, s := range h.Stages {
		stages[i] = cohort.Stage{Name: s.Name, Rest: s.Share == nil}
		if s.Share != nil {
			stages[i].Share = *s.Share
		}
	}
	return stages
}

func (h *Handler) configureHeader() (err error) {
	h.header = defaultHeader
	if h.Header == nil {
		return nil
	}
	if h.Header.Name != "" {
		h.header = http.CanonicalHeaderKey(h.Header.Name)
	}
	if h.trust, err = h.Header.ranges(); err != nil {
		return err
	}
	if err := h.Header.check(); err != nil {
		return err
	}
	if h.Header.Pin && h.Cookie == nil {
		return errNoPinCookie
	}
	return nil
}

var errNoPinCookie = errors.New("header: pin needs a cookie to keep the stage in")

func (c *Header) check() error {
	if c.Name != "" && !httpguts.ValidHeaderFieldName(c.Name) {
		return fmt.Errorf("header: %q is not a valid name", c.Name)
	}
	if len(c.Trust) == 0 && (c.Strict || c.Pin) {
		return errors.New("header: strict and pin are about trusted clients, and nobody is trusted; add: trust private_ranges")
	}
	return nil
}

// ranges are those whose header is followed.
func (c *Header) ranges() ([]netip.Prefix, error) {
	var ranges []netip.Prefix
	for _, text := range c.Trust {
		r, err := caddyhttp.CIDRExpressionToPrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trust: %q is no IP address or range such as 10.0.0.0/8", text)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// configureClients prepares what tells clients apart.
func (h *Handler) configureClients() error {
	h.keys = nil
	for _, text := range h.Key {
		k, err := newKey(text)
		if err != nil {
			return err
		}
		h.keys = append(h.keys, k)
	}
	if h.Cookie == nil {
		return nil
	}
	if err := h.Cookie.check(); err != nil {
		return err
	}
	var err error
	h.signer, err = h.newSigner()
	return err
}

func (h *Handler) checkResponseHeader() error {
	if h.ResponseHeader != "" && !httpguts.ValidHeaderFieldName(h.ResponseHeader) {
		return fmt.Errorf("response_header: %q is not a valid name", h.ResponseHeader)
	}
	return nil
}

func (h *Handler) configureAnswer() error {
	if err := h.checkResponseHeader(); err != nil {
		return err
	}
	switch {
	case h.MaxBody < 0:
		return fmt.Errorf("fallback_buffer: %d is negative", h.MaxBody)
	case h.MaxBody == 0:
		h.MaxBody = defaultMaxBody
	}
	return nil
}
