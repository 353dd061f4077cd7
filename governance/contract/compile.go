package contract

// compile.go turns a document into a Contract.

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/route"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// Compile compiles a document. The error joins all that is wrong, each a *document.Error with file, line and column.
func Compile(doc *document.Document, s Settings) (*Contract, error) {
	if err := checkPrefix(s.StripPrefix); err != nil {
		return nil, err
	}
	c := newCompiler(doc, s)
	paths := doc.Root().Get("paths")
	for _, template := range paths.Keys() {
		if strings.HasPrefix(template, "/") { // else an extension: x-...
			c.pathItem(template, paths.Get(template))
		}
	}
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	slices.SortFunc(c.contract.operations, func(a, b *Operation) int {
		return cmp.Or(strings.Compare(a.Template, b.Template), strings.Compare(a.Method, b.Method))
	})
	return c.contract, nil
}

func newCompiler(doc *document.Document, s Settings) *compiler {
	return &compiler{
		doc: doc, settings: s,
		schemas:   schema.NewCompiler(doc.Files(), doc.Dialect(), s.Schema),
		responses: make(map[string]*Response),
		noted:     make(map[string]bool),
		failed:    make(map[string]bool),
		loose:     make(map[string]*pathItem),
		contract:  &Contract{settings: s, loose: route.Tree[*pathItem]{Fold: true}},
	}
}

// compiler is what is kept while a document is compiled.
type compiler struct {
	doc       *document.Document
	settings  Settings
	schemas   *schema.Compiler
	contract  *Contract
	responses map[string]*Response // by location: most operations share theirs by $ref
	loose     map[string]*pathItem
	noted     map[string]bool
	failed    map[string]bool
	errs      []error
}

// fail records what is wrong at a place, once: what is shared by $ref is met many times.
func (c *compiler) fail(location, reason string) {
	if c.failed[location+reason] {
		return
	}
	c.failed[location+reason] = true
	_, pointer, _ := strings.Cut(location, "#")
	c.errs = append(c.errs, &document.Error{Place: c.doc.Place(location), Pointer: pointer, Reason: reason})
}

// failWith is fail for an error of the schema compiler, which knows the place better.
func (c *compiler) failWith(location string, err error) {
	var at *schema.Error
	if errors.As(err, &at) {
		c.fail(at.Location, at.Reason)
		return
	}
	c.fail(location, err.Error())
}

func (c *compiler) note(location, text string) {
	if c.noted[location+text] {
		return
	}
	c.noted[location+text] = true
	c.contract.notes = append(c.contract.notes, fmt.Sprintf("%s: %s", c.doc.Place(location), text))
}

func checkPrefix(prefix string) error {
	right := strings.HasPrefix(prefix, "/") && !strings.HasSuffix(prefix, "/") && !strings.ContainsAny(prefix, "{}?#")
	if prefix != "" && !right {
		return fmt.Errorf("the prefix %q must begin with a slash, not end with one and have none of {, }, ? and #", prefix)
	}
	return nil
}

// methods are the fields of a Path Item Object that hold operations, in the order of an Allow header.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}

// pathItem compiles the operations of a template and puts them into the routing tree under each of their base paths.
func (c *compiler) pathItem(template string, item document.Node) {
	if err := new(route.Tree[bool]).Add(template, true); errors.Is(err, route.ErrUnreachable) {
		c.note(item.Location(), err.Error())
		return
	}
	byBase := make(map[string]*pathItem)
	var order []string
	for i, method := range methods {
		node := item.Get(strings.ToLower(method))
		if !node.Exists() {
			continue
		}
		op := c.operation(method, template, item, node)
		c.contract.operations = append(c.contract.operations, op)
		for _, base := range c.bases(node.Get("servers"), item.Get("servers"), c.doc.Root().Get("servers")) {
			if byBase[base] == nil {
				byBase[base] = new(pathItem)
				order = append(order, base)
			}
			byBase[base].operations[i] = op
		}
	}
	for _, base := range order {
		byBase[base].finish()
		full := c.settings.StripPrefix + base + template
		if err := c.contract.routes.Add(full, byBase[base]); err != nil {
			c.fail(item.Location(), err.Error())
			continue
		}
		c.addLoosely(full, byBase[base])
	}
}
