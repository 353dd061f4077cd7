package onepass

// node is all that a value must fit. A type whose part is nil is not allowed.
type node struct {
	null, yes, no bool // null, true and false are allowed
	number        *numberNode
	text          *textNode
	array         *arrayNode
	object        *objectNode
}

// rest is what a pass over a value cannot decide.
type rest struct {
	choices []choice
	wholes  []whole
}

// whole is a schema that is judged in one piece.
type whole struct {
	judge    func(text []byte, budget int) (Verdict, int)
	location string
}

// rule is how the verdicts of branches make the verdict of a choice.
type rule uint8

const (
	atLeastOne  rule = iota // anyOf
	exactlyOne              // oneOf
	notThis                 // not
	conditional             // if, then, else
	dependent               // dependentSchemas
)

// choice is a keyword whose branches judge the same value.
type choice struct {
	rule     rule
	branches []*node // of conditional: if, then and else, the latter nil where there are none
	property int     // of dependent: the branch counts if the object has this one
}

// numberNode judges numbers.
type numberNode struct {
	integer   bool
	bounds    []bound
	multiples []decimal
	enums     [][]decimal
	formats   []func(string) bool
	exact     int // how often it may calculate with all digits
	rest      *rest
}

// bound is a minimum (sign 1) or maximum (sign -1).
type bound struct {
	limit     decimal
	sign      int
	exclusive bool
}

// textNode judges strings.
type textNode struct {
	min, max int // characters; max is -1 if there is none
	enums    []table
	formats  []matcher
	patterns []matcher
	rest     *rest
}

// matcher is a regular expression, or what judges a format.
type matcher struct {
	expression interface{ MatchString(string) bool }
	weight     float64 // visits that matching a byte may take
}

// arrayNode judges arrays.
type arrayNode struct {
	min, max int // items; max is -1 if there is none
	prefix   []*node
	items    *node // those after prefix
	unique   []whole
	contains []contains
	rest     *rest
}

type contains struct {
	item     *node
	min, max int // max is -1 if there is none
}

// objectNode judges objects.
type objectNode struct {
	table      table
	properties []property // by the table's index
	required   int        // how many of them are required
	others     []*node    // the node for a member that is no property, by the set of patterns its name matches
	patterns   []matcher
	names      []*node // of propertyNames
	min, max   int     // members; max is -1 if there is none
	implied    []implied
	rest       *rest
	selector   *selector
}

type property struct {
	node     *node
	required int // 1 if it is
}

// implied is a member of dependentRequired.
type implied struct {
	by       int
	required []int
}

// selector is a discriminator. Where an object has one, its other parts are in the branches.
type selector struct {
	property string
	branches map[string]*objectNode // nil is one that no object fits
}

// anything is the node of a value that is only read.
var anything = func() *node {
	n := &node{null: true, yes: true, no: true, number: &numberNode{}, text: &textNode{max: -1}}
	n.array = &arrayNode{max: -1, items: n}
	n.object = &objectNode{max: -1, others: []*node{n}}
	return n
}()
