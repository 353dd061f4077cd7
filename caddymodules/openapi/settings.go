package openapi

// settings.go checks what is configured and fills in the defaults.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// Values of Mode and Responses.
const (
	modeEnforce = "enforce"
	modeReport  = "report"
	modeOff     = "off"
)

// Values of LenientJSON.
const (
	lenientDuplicateKeys = "duplicate_keys"
	lenientTrailingData  = "trailing_data"
	lenientInvalidUTF8   = "invalid_utf8"
)

const (
	defaultRefresh     = 30 * time.Second
	defaultMaxBody     = 1 << 20
	defaultBodyTimeout = 30 * time.Second
	defaultViolations  = 20
	defaultMaxDocument = 16 << 20
	defaultArrayIndex  = 1000

	// maxViolations bounds what an answer lists.
	maxViolations = 1000
)

// configure fills in defaults and refuses what makes no sense without a document.
func (h *Handler) configure() error {
	if err := h.checkValues(); err != nil {
		return err
	}
	return h.checkTogether()
}

// checkValues fills in defaults and refuses what makes no sense whatever the other options say.
func (h *Handler) checkValues() error {
	if h.Name == "" {
		h.Name = baseName(h.Source)
	}
	for _, check := range []func() error{
		h.checkSource, h.checkName, h.checkModes, h.checkStatuses, h.checkSizes, h.checkLenient, h.checkLimits,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkTogether refuses options that do not go together.
func (h *Handler) checkTogether() error {
	switch {
	case h.Mode == modeReport && len(h.ReportOnly) > 0:
		return errors.New("report_only goes with mode enforce; in mode report all operations are only reported, and enforce_only names those that are not")
	case h.Mode == modeEnforce && len(h.EnforceOnly) > 0:
		return errors.New("enforce_only goes with mode report; in mode enforce all operations are enforced, and report_only names those that are not")
	case h.Responses == modeOff && h.ResponseShare != 1:
		return errors.New("a share of the responses goes with report or enforce")
	}
	for _, name := range h.Skip {
		if slices.Contains(h.ReportOnly, name) || slices.Contains(h.EnforceOnly, name) {
			return fmt.Errorf("operation %q is skipped and judged; name it once", name)
		}
	}
	return nil
}

func (h *Handler) checkModes() error {
	if h.Mode == "" {
		h.Mode = modeEnforce
	}
	if h.Responses == "" {
		h.Responses = modeOff
	}
	switch {
	case h.Mode != modeEnforce && h.Mode != modeReport:
		return fmt.Errorf("mode %q is neither enforce nor report", h.Mode)
	case !slices.Contains([]string{modeOff, modeReport, modeEnforce}, h.Responses):
		return fmt.Errorf("responses %q is none of off, report and enforce", h.Responses)
	case !(h.ResponseShare >= 0 && h.ResponseShare <= 1):
		return fmt.Errorf("a share of %v of the responses is not above 0%% and at most 100%%", h.ResponseShare)
	}
	if h.ResponseShare == 0 {
		h.ResponseShare = 1
	}
	return nil
}

func (h *Handler) checkStatuses() error {
	if h.ParameterStatus == 0 {
		h.ParameterStatus = 400
	}
	if h.BodyStatus == 0 {
		h.BodyStatus = 422
	}
	switch {
	case !isClientError(h.ParameterStatus):
		return fmt.Errorf("parameter_status %d is not from 400 to 499", h.ParameterStatus)
	case !isClientError(h.BodyStatus):
		return fmt.Errorf("body_status %d is not from 400 to 499", h.BodyStatus)
	case h.UnknownPath != 0 && h.UnknownPath != 404:
		return fmt.Errorf("unknown_path %d is neither pass (0) nor 404", h.UnknownPath)
	case h.UnknownMethod != 0 && h.UnknownMethod != 405:
		return fmt.Errorf("unknown_method %d is neither pass (0) nor 405", h.UnknownMethod)
	}
	return nil
}

func isClientError(status int) bool { return status >= 400 && status < 500 }

func (h *Handler) checkSizes() error {
	if h.MaxBody == 0 {
		h.MaxBody = defaultMaxBody
	}
	if h.BodyTimeout == 0 {
		h.BodyTimeout = caddy.Duration(defaultBodyTimeout)
	}
	if h.Refresh == nil {
		refresh := caddy.Duration(defaultRefresh)
		h.Refresh = &refresh
	}
	switch {
	case h.MaxBody < 0:
		return fmt.Errorf("max_body %d is negative", h.MaxBody)
	case h.BodyTimeout < 0:
		return fmt.Errorf("body_timeout %v is negative", time.Duration(h.BodyTimeout))
	case *h.Refresh != 0 && *h.Refresh < caddy.Duration(time.Second):
		return fmt.Errorf("refresh %v is shorter than a second", time.Duration(*h.Refresh))
	case h.StripPrefix != "" && (h.StripPrefix[0] != '/' || strings.HasSuffix(h.StripPrefix, "/")):
		return fmt.Errorf("strip_prefix %q must begin with a slash and not end with one, as in /api", h.StripPrefix)
	}
	for operation, size := range h.MaxBodyOf {
		if size <= 0 {
			return fmt.Errorf("max_body %d of operation %q is not positive", size, operation)
		}
	}
	for _, host := range h.AllowRefs {
		if host == "" || strings.ContainsAny(host, "/@ ") {
			return fmt.Errorf("allow_refs: %q is not a host such as schemas.example.com", host)
		}
	}
	return nil
}

func (h *Handler) checkLenient() error {
	for _, word := range h.LenientJSON {
		switch word {
		case lenientDuplicateKeys, lenientTrailingData, lenientInvalidUTF8:
		default:
			return fmt.Errorf("lenient_json %q is none of %s, %s and %s", word, lenientDuplicateKeys, lenientTrailingData, lenientInvalidUTF8)
		}
	}
	return nil
}

func (h *Handler) checkLimits() error {
	if h.Limits == nil {
		h.Limits = new(Limits)
	}
	l := h.Limits
	for _, limit := range []struct {
		name     string
		value    *int
		fallback int
	}{
		{"depth", &l.Depth, strictjson.DefaultDepth},
		{"nodes", &l.Nodes, strictjson.DefaultNodes},
		{"properties", &l.Properties, strictjson.DefaultProperties},
		{"array_index", &l.ArrayIndex, defaultArrayIndex},
		{"digits", &l.Digits, strictjson.DefaultDigits},
		{"violations", &l.Violations, defaultViolations},
	} {
		if *limit.value < 0 {
			return fmt.Errorf("limits: %s %d is negative", limit.name, *limit.value)
		}
		if *limit.value == 0 {
			*limit.value = limit.fallback
		}
	}
	if l.Document < 0 {
		return fmt.Errorf("limits: document %d is negative", l.Document)
	}
	if l.Document == 0 {
		l.Document = defaultMaxDocument
	}
	if l.Violations > maxViolations {
		return fmt.Errorf("limits: violations %d is more than %d", l.Violations, maxViolations)
	}
	return nil
}

// trackSettings are the part of the configuration that the document is loaded with.
func (h *Handler) trackSettings() trackSettings {
	lenient := func(word string) bool { return slices.Contains(h.LenientJSON, word) }
	return trackSettings{
		Name:        h.Name,
		Source:      h.Source,
		Refresh:     time.Duration(*h.Refresh),
		Lazy:        h.Lazy,
		MaxDocument: h.Limits.Document,
		AllowRefs:   h.AllowRefs,
		Compile: contract.Settings{
			Schema: schema.Settings{
				JSON: strictjson.Settings{
					Limits: strictjson.Limits{
						Depth: h.Limits.Depth, Nodes: h.Limits.Nodes, Properties: h.Limits.Properties, Digits: h.Limits.Digits,
					},
					DuplicateKeys: lenient(lenientDuplicateKeys),
					TrailingData:  lenient(lenientTrailingData),
					InvalidUTF8:   lenient(lenientInvalidUTF8),
				},
				IgnoreFormats:  h.IgnoreFormats,
				RefuseReadOnly: h.RefuseReadOnly,
			},
			StripPrefix:   h.StripPrefix,
			IgnoreServers: h.IgnoreServers,
			StrictQuery:   h.StrictQuery,
			StrictHeaders: h.StrictHeaders,
			MaxIndex:      h.Limits.ArrayIndex,
		},
	}
}
