package contractdiff

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	pberrors "github.com/pb33f/libopenapi-validator/errors"
)

// pbJudge is libopenapi-validator, with all that it can check and weir checks, too.
type pbJudge struct{ validator validator.Validator }

func newPB(t testing.TB, text []byte) *pbJudge {
	t.Helper()
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithStandardBodyDecoders(),
		config.WithContentParameterValidation(), config.WithoutSecurityValidation())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return &pbJudge{v}
}

func (p *pbJudge) judge(x *exchange) (found []finding) {
	defer func() {
		if r := recover(); r != nil {
			found = []finding{{code: "panic", text: fmt.Sprint(r)}}
		}
	}()
	r, err := x.request()
	if err != nil {
		return []finding{{in: "request", code: "url", text: err.Error()}}
	}
	var ok bool
	var errs []*pberrors.ValidationError
	if x.response {
		ok, errs = p.validator.ValidateHttpResponse(r, x.httpResponse(r))
	} else {
		ok, errs = p.validator.ValidateHttpRequestSync(r)
	}
	for _, e := range errs {
		found = append(found, pbFindings(e)...)
	}
	if !ok && len(found) == 0 {
		found = []finding{{code: "none", text: "refused without an error"}}
	}
	return found
}

func pbFindings(e *pberrors.ValidationError) (found []finding) {
	at := finding{
		in: e.ValidationType, name: e.ParameterName, code: e.ValidationType + "/" + e.ValidationSubType,
		text: e.Message + ": " + e.Reason,
	}
	if e.ValidationType == "parameter" {
		at.in = e.ValidationSubType
	}
	for _, failure := range e.SchemaValidationErrors {
		one := at
		one.pointer, one.text = strings.Join(append([]string{""}, failure.InstancePath...), "/"), failure.Reason
		found = append(found, one)
	}
	if len(found) == 0 {
		found = append(found, at)
	}
	return found
}
