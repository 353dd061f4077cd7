package contractdiff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// kinJudge is kin-openapi's router and filter. It tells all errors, does not authenticate (neither does weir) and does
// not set defaults, which would change the request.
type kinJudge struct{ router routers.Router }

var kinOptions = &openapi3filter.Options{
	MultiError: true, SkipSettingDefaults: true, IncludeResponseStatus: true,
	AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	SchemaValidationOptions: []openapi3.SchemaValidationOption{ // formats that it only knows if told
		openapi3.WithStringFormatValidator("email", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForEmail)),
		openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562)),
	},
}

func newKin(t testing.TB, text []byte) (*openapi3.T, *kinJudge) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, &kinJudge{router}
}

func (k *kinJudge) judge(x *exchange) (found []finding) {
	defer func() {
		if r := recover(); r != nil {
			found = []finding{{code: "panic", text: fmt.Sprint(r)}}
		}
	}()
	r, err := x.request()
	if err != nil {
		return []finding{{in: "request", code: "url", text: err.Error()}}
	}
	route, params, err := k.router.FindRoute(r)
	if err != nil {
		return []finding{{in: "path", code: "route", text: err.Error()}}
	}
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: kinOptions}
	if !x.response {
		return kinFindings(nil, finding{}, openapi3filter.ValidateRequest(context.Background(), input))
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: x.status, Header: x.responseHeader.Clone(),
		Body: io.NopCloser(bytes.NewReader(x.responseBody)), Options: kinOptions,
	})
	return kinFindings(nil, finding{in: "body"}, err)
}

// kinFindings takes an error of the filter apart.
func kinFindings(found []finding, at finding, err error) []finding {
	var (
		many     openapi3.MultiError
		request  *openapi3filter.RequestError
		response *openapi3filter.ResponseError
		schema   *openapi3.SchemaError
	)
	switch {
	case err == nil:
		return found
	case asDirect(err, &many):
		for _, one := range many {
			found = kinFindings(found, at, one)
		}
		return found
	case asDirect(err, &request):
		if at.in = "body"; request.Parameter != nil {
			at.in, at.name = request.Parameter.In, request.Parameter.Name
		}
		at.code, at.text = "request", request.Error()
		if request.Err == nil {
			return append(found, at)
		}
		return kinFindings(found, at, request.Err)
	case asDirect(err, &response):
		at.code, at.text = "response", response.Error()
		if strings.Contains(response.Reason, "header \"") && response.Err != nil {
			at.in = "header"
		}
		if response.Err == nil {
			return append(found, at)
		}
		return kinFindings(found, at, response.Err)
	case asDirect(err, &schema):
		if tokens := schema.JSONPointer(); len(tokens) > 0 {
			at.pointer = "/" + strings.Join(tokens, "/")
		}
		if schema.SchemaField == "allOf" && schema.Origin != nil { // what its parts say
			return kinFindings(found, at, schema.Origin)
		}
		at.code, at.text = schema.SchemaField, schema.Reason
		if schema.Origin != nil {
			at.text += ": " + schema.Origin.Error()
		}
		return append(found, at)
	}
	inner := errors.Unwrap(err)
	if asDirect(inner, &many) || inner != nil && strings.HasPrefix(err.Error(), "doesn't match schema due to: ") {
		return kinFindings(found, at, inner)
	}
	var parse *openapi3filter.ParseError
	at.code, at.text = "error", err.Error()
	if errors.As(err, &parse) {
		at.code = "parse"
	}
	return append(found, at)
}

// asDirect is errors.As without looking into what an error wraps.
func asDirect[E error](err error, target *E) bool {
	e, ok := err.(E)
	if ok {
		*target = e
	}
	return ok
}
