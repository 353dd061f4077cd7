package schema

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds the formats that are asserted. All others are annotations: what they mean is not defined, or they
// (binary, password) restrict nothing. A format says nothing about values of another type.

// errFormat is the error of all formats: what is wrong in detail would show the value.
var errFormat = errors.New("not of this format")

// regexName is the engine's name of our regex: it has its own idea of regex, which cannot be replaced.
const regexName = "ecma-262-regex"

// formats are the formats by name.
var formats = map[string]*jsonschema.Format{
	"date":          ofText("date", isDate),
	"date-time":     ofText("date-time", isDateTime),
	"time":          ofText("time", isTime),
	"duration":      ofText("duration", isDuration),
	"uuid":          ofText("uuid", isUUID),
	"email":         ofText("email", isEmail),
	"hostname":      ofText("hostname", isHostname),
	"ipv4":          ofText("ipv4", isIPv4),
	"ipv6":          ofText("ipv6", isIPv6),
	"uri":           ofText("uri", isURI),
	"uri-reference": ofText("uri-reference", isURIReference),
	"json-pointer":  ofText("json-pointer", isJSONPointer),
	"byte":          ofText("byte", isBase64),
	"regex":         ofText(regexName, isExpression),
	"int32":         ofNumber("int32", isInt32),
	"int64":         ofNumber("int64", isInt64),
	"float":         ofNumber("float", isFloat),
	"double":        ofNumber("double", isDouble),
}

// formatDetails say what a value must be, by the engine's name of the format.
var formatDetails = map[string]string{
	"date":          "must be a date as in RFC 3339: YYYY-MM-DD",
	"date-time":     "must be a date and time as in RFC 3339: YYYY-MM-DDThh:mm:ss and Z or an offset such as +02:00",
	"time":          "must be a time as in RFC 3339: hh:mm:ss and Z or an offset such as +02:00",
	"duration":      "must be a duration as in RFC 3339, appendix A, such as P1DT12H",
	"uuid":          "must be a UUID: 8-4-4-4-12 hexadecimal digits",
	"email":         "must be an e-mail address",
	"hostname":      "must be a host name",
	"ipv4":          "must be an IPv4 address",
	"ipv6":          "must be an IPv6 address",
	"uri":           "must be an absolute URI",
	"uri-reference": "must be a URI or a relative reference",
	"json-pointer":  "must be a JSON pointer (RFC 6901)",
	"byte":          "must be base64 (RFC 4648, section 4) with padding",
	regexName:       "must be a regular expression (ECMA-262)",
	"int32":         "must be an integer from -2147483648 to 2147483647",
	"int64":         "must be an integer from -9223372036854775808 to 9223372036854775807",
	"float":         "must be within the range of a 32-bit floating-point number",
	"double":        "must be within the range of a 64-bit floating-point number",
}

// textChecks and numberChecks are what the formats call, by the engine's name of the format.
var textChecks, numberChecks = make(map[string]func(string) bool), make(map[string]func(string) bool)

func ofText(name string, is func(string) bool) *jsonschema.Format {
	textChecks[name] = is
	return &jsonschema.Format{Name: name, Validate: func(value any) error {
		if text, ok := value.(string); ok && !is(text) {
			return errFormat
		}
		return nil
	}}
}

func ofNumber(name string, is func(string) bool) *jsonschema.Format {
	numberChecks[name] = is
	return &jsonschema.Format{Name: name, Validate: func(value any) error {
		if number, ok := value.(json.Number); ok && !is(string(number)) {
			return errFormat
		}
		return nil
	}}
}

func isInt32(number string) bool { return isWithin(number, minInt32, maxInt32) }

func isInt64(number string) bool { return isWithin(number, minInt64, maxInt64) }

var (
	minInt32, maxInt32 = big.NewRat(math.MinInt32, 1), big.NewRat(math.MaxInt32, 1)
	minInt64, maxInt64 = big.NewRat(math.MinInt64, 1), big.NewRat(math.MaxInt64, 1)
)

// isWithin tells whether a number is an integer within bounds: 1.0 and 1e3 are integers too.
func isWithin(number string, low, high *big.Rat) bool {
	if value, ok := integral(number); ok {
		return high == maxInt64 || math.MinInt32 <= value && value <= math.MaxInt32
	}
	r, ok := new(big.Rat).SetString(number)
	return ok && r.IsInt() && r.Cmp(low) >= 0 && r.Cmp(high) <= 0
}

func isFloat(number string) bool {
	_, err := strconv.ParseFloat(number, 32)
	return err == nil
}

func isDouble(number string) bool {
	_, err := strconv.ParseFloat(number, 64)
	return err == nil
}

func isExpression(text string) bool {
	err := checkPattern(text)
	return err == nil || errors.Is(err, errNotRE2)
}
