package schema

import (
	"net/netip"
	"strings"
	"time"
)

// This file holds the formats of strings, as the JSON Schema validation vocabulary (2020-12, section 7.3) and
// OpenAPI (byte) define them. They do not allocate on values that are right, as far as that is simple.

// isDate tells whether text is an RFC 3339 full-date.
func isDate(text string) bool {
	if len(text) != len("2006-01-02") {
		return false
	}
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// isDateTime tells whether text is an RFC 3339 date-time, in which T and Z may be written small.
func isDateTime(text string) bool {
	return len(text) > 10 && text[10]|0x20 == 't' && isDate(text[:10]) && isTime(text[11:])
}

// isTime tells whether text is an RFC 3339 full-time. A second may be 60 where leap seconds are: at 23:59 UTC.
func isTime(text string) bool {
	if len(text) < len("15:04:05Z") || text[2] != ':' || text[5] != ':' {
		return false
	}
	hour, minute, second := twoDigits(text), twoDigits(text[3:]), twoDigits(text[6:])
	if hour > 23 || minute > 59 || second > 60 {
		return false
	}
	zone := text[8:]
	if zone[0] == '.' {
		digits := 1 + leadingDigits(zone[1:])
		if digits == 1 {
			return false
		}
		zone = zone[digits:]
	}
	offset, ok := offsetOf(zone)
	if !ok {
		return false
	}
	const day = 24 * 60
	return second < 60 || (hour*60+minute-offset+day)%day == day-1
}

// offsetOf returns the minutes that a zone is ahead of UTC.
func offsetOf(zone string) (minutes int, ok bool) {
	if zone == "Z" || zone == "z" {
		return 0, true
	}
	if len(zone) != len("+00:00") || zone[3] != ':' || zone[0] != '+' && zone[0] != '-' {
		return 0, false
	}
	hour, minute := twoDigits(zone[1:]), twoDigits(zone[4:])
	if hour > 23 || minute > 59 {
		return 0, false
	}
	if zone[0] == '-' {
		return -hour*60 - minute, true
	}
	return hour*60 + minute, true
}

// twoDigits returns the number in the first two bytes, more than any clock shows if there is none.
func twoDigits(text string) int {
	if !isDigit(text[0]) || !isDigit(text[1]) {
		return 100
	}
	return int(text[0]-'0')*10 + int(text[1]-'0')
}

func leadingDigits(text string) int {
	for i := range len(text) {
		if !isDigit(text[i]) {
			return i
		}
	}
	return len(text)
}

// isDuration tells whether text is a duration of RFC 3339, appendix A: weeks alone, or years, months, days, hours,
// minutes and seconds. Other than there, and as in ISO 8601, one between two others may be left out and seconds may have
// decimals, as Java and .NET write them (PT1H30.5S).
func isDuration(text string) bool {
	rest, ok := strings.CutPrefix(text, "P")
	if !ok || rest == "" {
		return false
	}
	if digits := leadingDigits(rest); digits > 0 && rest[digits:] == "W" {
		return true
	}
	date, clock, hasClock := strings.Cut(rest, "T")
	return (date == "" || isUnits(date, "YMD")) && (!hasClock || isUnits(clock, "HMS"))
}

func isUnits(text, units string) bool {
	last := -1
	for text != "" {
		digits := leadingDigits(text)
		if digits == 0 || digits == len(text) {
			return false
		}
		if text[digits] == '.' {
			decimals := leadingDigits(text[digits+1:])
			return decimals > 0 && strings.HasSuffix(units, "S") && text[digits+1+decimals:] == "S"
		}
		unit := strings.IndexByte(units, text[digits])
		if unit <= last {
			return false
		}
		text, last = text[digits+1:], unit
	}
	return last >= 0
}

func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		switch i {
		case 8, 13, 18, 23:
			if text[i] != '-' {
				return false
			}
		default:
			if !isDigit(text[i]) && (text[i]|0x20 < 'a' || text[i]|0x20 > 'f') {
				return false
			}
		}
	}
	return true
}

// isHostname tells whether text is a host name of RFC 1123, section 2.1. Names of other scripts are written as
// A-labels (xn--).
func isHostname(text string) bool {
	if len(text) == 0 || len(text) > 253 {
		return false
	}
	label := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case isDigit(c) || isLetter(c):
			label++
		case c == '-' && label > 0 && i+1 < len(text) && text[i+1] != '.':
			label++
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
		if label > 63 {
			return false
		}
	}
	return label > 0
}

// isEmail tells whether text is a Mailbox of RFC 5321, section 4.1.2, without comments.
func isEmail(text string) bool {
	at := strings.LastIndexByte(text, '@')
	if at <= 0 || at > 64 || len(text) > 254 {
		return false
	}
	local, domain := text[:at], text[at+1:]
	if !isDotAtom(local) && !isQuoted(local) {
		return false
	}
	if literal, ok := strings.CutPrefix(domain, "["); ok && strings.HasSuffix(literal, "]") {
		literal = literal[:len(literal)-1]
		six, ok := strings.CutPrefix(literal, "IPv6:")
		return ok && isIPv6(six) || !ok && isIPv4(literal)
	}
	return isHostname(domain)
}

func isDotAtom(local string) bool {
	for i := range len(local) {
		c := local[i]
		isDot := c == '.' && i > 0 && i < len(local)-1 && local[i-1] != '.'
		if !isDot && !isDigit(c) && !isLetter(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
			return false
		}
	}
	return true
}

func isQuoted(local string) bool {
	if len(local) < 2 || local[0] != '"' || local[len(local)-1] != '"' {
		return false
	}
	for i := 1; i < len(local)-1; i++ {
		switch c := local[i]; {
		case c == '\\' && i+1 < len(local)-1:
			i++
		case c < ' ' || c > '~' || c == '"' || c == '\\':
			return false
		}
	}
	return true
}

func isIPv4(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Is4()
}

func isIPv6(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Is6() && address.Zone() == ""
}

func isJSONPointer(text string) bool {
	if text != "" && text[0] != '/' {
		return false
	}
	for i := range len(text) {
		if text[i] == '~' && (i+1 == len(text) || text[i+1] != '0' && text[i+1] != '1') {
			return false
		}
	}
	return true
}

// isBase64 tells whether text is base64 as in RFC 4648, section 4, with padding and without line ends.
func isBase64(text string) bool {
	if len(text)%4 != 0 {
		return false
	}
	text = strings.TrimSuffix(text, "=")
	text = strings.TrimSuffix(text, "=")
	for i := range len(text) {
		if c := text[i]; !isDigit(c) && !isLetter(c) && c != '+' && c != '/' {
			return false
		}
	}
	return true
}
