package document

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// version finds which OpenAPI a document is written in.
func version(root *file) (string, schema.Dialect, *Error) {
	members, ok := root.tree.(map[string]any)
	if !ok {
		return "", 0, root.fault("", "this is no OpenAPI document: it must be an object with the field openapi, not "+
			describe(root.tree, "an object"))
	}
	if v, old := members["swagger"]; old {
		return "", 0, root.fault("/swagger", fmt.Sprintf("Swagger %v is not supported: "+
			"convert the document to OpenAPI 3.0 or 3.1", v))
	}
	v, has := members["openapi"]
	text, isText := v.(string)
	major, minor := "", ""
	if parts := strings.SplitN(text, ".", 3); len(parts) > 1 {
		major, minor = parts[0], parts[1]
	}
	switch {
	case !has:
		return "", 0, root.fault("", `this is no OpenAPI document: it lacks the field openapi, such as openapi: "3.1.1"`)
	case !isText:
		return "", 0, root.fault("/openapi", "openapi must be a string, not "+describe(v, "a string"))
	case major == "3" && minor == "0":
		return text, schema.OpenAPI30, nil
	case major == "3" && minor == "1":
		return text, schema.OpenAPI31, nil
	}
	return "", 0, root.fault("/openapi", fmt.Sprintf("OpenAPI %q is not supported: 3.0 and 3.1 are", text))
}

// check lets kin-openapi judge the document.
//
// What it does not judge: patterns, as it keeps each in a cache for ever, and the schema compiler must compile them
// anyway; examples and defaults, which a gateway does not use, and which are wrong in many documents that describe
// their service correctly.
func (r *resolver) check(root *file) {
	c := r.copy(root)
	if c.tooLong {
		r.fault(spot{root, ""}, "the document becomes more than %d times longer when its $refs are followed: "+
			"put what is referred to into its components", maxCopy)
		return
	}
	loaded, fault := judge(r.ctx, c.text, false)
	if fault == nil {
		return
	}
	if loaded {
		// Only what kin-openapi reads as YAML has places. A comment makes JSON YAML.
		if loaded, placed := judge(r.ctx, append(c.text, "\n#"...), true); loaded && placed != nil {
			fault = placed
		}
	}
	var all openapi3.MultiError
	if !errors.As(fault, &all) {
		all = openapi3.MultiError{fault}
	}
	for _, err := range all {
		at := c.place(err)
		text := err.Error()
		if at.pointer != "" {
			text = reason(err)
		}
		told := at.file.fault(at.pointer, text)
		told.cause = err
		r.errors.add(told)
	}
}

// judge loads and validates a text.
func judge(ctx context.Context, text []byte, origins bool) (loaded bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("kin-openapi, which checks documents, failed: %v", p)
		}
	}()
	loader := openapi3.NewLoader()
	loader.Context = ctx
	loader.IncludeOrigin = origins
	loader.ReadFromURIFunc = func(_ *openapi3.Loader, location *url.URL) ([]byte, error) {
		return nil, fmt.Errorf("%s was to be read, which has been resolved before", location)
	}
	doc, err := loader.LoadFromData(text)
	if err != nil {
		return false, err
	}
	return true, doc.Validate(ctx, openapi3.EnableMultiError(), openapi3.DisableSchemaPatternValidation(),
		openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation())
}

// place is the innermost object that an error names, by its line in the copy, or else by its kind.
func (c *copier) place(err error) spot {
	at := spot{c.root, ""}
	for ; err != nil; err = errors.Unwrap(err) {
		// Errors have the line of the root or of the paths if nothing better is known: their kind tells more.
		if line := originLine(err); line > 1 && line <= len(c.lines) && c.lines[line-1].pointer != "/paths" {
			at = c.lines[line-1]
		}
		if inside := within(at, err); inside != at {
			if _, _, exists := lookup(inside.file.tree, inside.pointer); exists {
				at = inside
			}
		}
	}
	return at
}

// within is where an error says by its kind that it is, given where the error around it is.
func within(at spot, err error) spot {
	root := at
	root.pointer = ""
	switch e := err.(type) {
	case *openapi3.SectionValidationError:
		return root.member(sectionFields[e.Section])
	case *openapi3.ComponentValidationError:
		return root.member("components").member(componentFields[e.Section]).member(e.Name)
	case *openapi3.PathValidationError:
		return root.member("paths").member(e.Path)
	case *openapi3.PathMustStartWithSlashError:
		return root.member("paths").member(e.Path)
	case *openapi3.ConflictingPathsError:
		return root.member("paths").member(e.Path1)
	case *openapi3.WebhookValidationError:
		return root.member("webhooks").member(e.Name)
	case *openapi3.OperationValidationError:
		return at.member(strings.ToLower(e.Method))
	case *openapi3.FieldVersionMismatchError:
		return at.member(e.Field)
	}
	return at
}

// originLine is the line that an error of kin-openapi has in its field Origin, which is of the same type in some fifty
// types of errors.
func originLine(err error) int {
	v := reflect.ValueOf(err)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return 0
	}
	f := v.Elem().FieldByName("Origin")
	if !f.IsValid() {
		return 0
	}
	origin, _ := f.Interface().(*openapi3.Origin)
	if origin == nil || origin.Key == nil {
		return 0
	}
	return origin.Key.Line
}

// sectionFields and componentFields are the fields for what kin-openapi calls them in errors.
var (
	sectionFields = map[string]string{
		"info": "info", "paths": "paths", "components": "components", "security": "security", "servers": "servers",
		"tags": "tags", "external docs": "externalDocs", "webhooks": "webhooks", "jsonSchemaDialect": "jsonSchemaDialect",
	}
	componentFields = map[string]string{
		"schema": "schemas", "parameter": "parameters", "header": "headers", "request body": "requestBodies",
		"response": "responses", "security scheme": "securitySchemes", "example": "examples", "link": "links",
		"callback": "callbacks",
	}
)

// reason is what an error says, without what the place says already.
func reason(err error) string {
	for {
		switch err.(type) {
		case *openapi3.SectionValidationError, *openapi3.ComponentValidationError, *openapi3.PathValidationError,
			*openapi3.OperationValidationError, *openapi3.WebhookValidationError:
			err = errors.Unwrap(err)
			continue
		}
		var typed *json.UnmarshalTypeError
		if errors.As(err, &typed) {
			return fmt.Sprintf("%s must not be a %s", typed.Field, typed.Value)
		}
		return err.Error()
	}
}
