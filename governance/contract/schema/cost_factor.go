package schema

import "math"

// This file bounds the visits that a schema needs for any value: so many for each node of the value, each byte of its
// text, and each pair of nodes (where uniqueItems compares items with each other).
//
// Let a schema need own visits for a value itself, near visits for each member or item of it, and far visits for each
// node within these. Each node of a value is one of the three, so the largest number for each node is enough. Schemas
// for the same value add up; of the members of an object only the one that needs most counts, as each node is within
// one of them only. The numbers of recursive schemas are found by going round until they stay. Where they grow for
// ever, the visits depend on the depth of the value, and only the walk through a value can tell.

// factor is visits per node, per byte and per pair of nodes.
type factor [3]float64

const (
	perNode = iota
	perByte
	perPair
)

// unbounded leaves everything to the walk.
var unbounded = factor{math.Inf(1), math.Inf(1), math.Inf(1)}

func (f factor) bound(nodes, text int) float64 {
	n := float64(nodes)
	return f[perNode]*n + f[perByte]*float64(text) + f[perPair]*n*n
}

func (f factor) plus(g factor) factor {
	for i := range f {
		f[i] += g[i]
	}
	return f
}

func (f factor) max(g factor) factor {
	for i := range f {
		f[i] = max(f[i], g[i])
	}
	return f
}

// factors are those of one schema.
type factors struct {
	own   factor // for a value itself
	near  factor // for its members or items
	far   factor // for what is within these
	whole factor // for all of them, in addition
}

func (f factors) plus(g factors) factors {
	return factors{f.own.plus(g.own), f.near.plus(g.near), f.far.plus(g.far), f.whole.plus(g.whole)}
}

func (f factors) factor() factor { return f.own.max(f.near).max(f.far).plus(f.whole) }

const (
	factorRounds = 64
	endless      = 1e7 // more than any budget allows even a single node

	assumedDepth  = 64  // of a value, for the copies of its path; more only counts for as much
	assumedDigits = 512 // of a number, unless the size of the text says more
)

// computeFactors sets the factors of plans without loops, which must be in the order of a graph. Those that have not
// settled after some rounds are taken to be infinite, as are then those that lead to them.
func computeFactors(plans []*plan, around surroundings) {
	infinite := factors{unbounded, unbounded, unbounded, unbounded}
	for round := 0; ; round++ {
		settled := true
		for _, p := range plans {
			if p.factors == infinite {
				continue
			}
			next := p.next(around)
			if next == p.factors {
				continue
			}
			settled = false
			if p.factors = next; round >= factorRounds {
				p.factors = infinite
			}
		}
		if settled {
			return
		}
	}
}

// surroundings is what holds for all schemas.
type surroundings struct {
	chain float64 // schemas that are applied to one value, one by the other
	track bool    // one of them may ask what has been evaluated
}

// next is the factors of a plan from those of the plans that it leads to.
func (p *plan) next(around surroundings) factors {
	result := p.alone(around)
	for _, sub := range p.sameValue() {
		result = result.plus(sub.factors)
	}
	near, far := p.within(around)
	result.near, result.far = result.near.plus(near), result.far.plus(far)
	for _, f := range []*factor{&result.own, &result.near, &result.far, &result.whole} {
		for i := range f {
			if f[i] > endless {
				f[i] = math.Inf(1)
			}
		}
	}
	return result
}

// alone bounds what walk.visit counts for a value itself.
func (p *plan) alone(around surroundings) (f factors) {
	f.own[perNode] = 1
	if p.boolean {
		return f
	}
	const pathWeight = depthWeight * assumedDepth
	f.own[perNode] += chainWeight * around.chain
	if p.dynamic {
		f.own[perNode] += scopeWeight * around.chain * assumedDepth
	}
	number := (p.exact + 2*float64(p.numerals)) * (parseWeight + digitWeight*assumedDigits)
	failure := 0.0
	if p.asserts {
		failure = failureWeight + pathWeight + lookupWeight*float64(p.lookups)
	}
	if p.types == 0 || p.types&kindNumber != 0 {
		failure += number
		f.own[perByte] = (p.exact + 2*float64(p.numerals)) * digitWeight
	}
	if p.types != 0 {
		failure = max(failure, mismatchWeight+pathWeight)
	}
	f.own[perNode] += failure
	f.own[perByte] = max(f.own[perByte], p.perByte)
	for _, pattern := range p.patterns {
		f.own[perByte] += pattern.perByte // on the names
	}
	if p.names != nil {
		f.own[perByte] += p.names.factors.factor()[perByte]
	}
	if p.unique {
		const number = 2 * (parseWeight + digitWeight*assumedDigits)
		f.whole[perNode] = max((compareWeight+number)*(shortArray-1)/2, hashWeight+parseWeight+digitWeight*assumedDigits)
		f.whole[perByte] = digitWeight * (shortArray - 1)
		f.whole[perPair] = (compareWeight + number) / 2
	}
	return f
}

// sameValue returns the plans that may be applied to the same value.
func (p *plan) sameValue() []*plan {
	if len(p.dependent) == 0 && len(p.selected) == 0 {
		return p.self
	}
	all := append([]*plan(nil), p.self...)
	for _, sub := range p.selected {
		all = append(all, sub)
	}
	for _, sub := range p.dependent {
		all = append(all, sub)
	}
	return all
}

// within is what is done for the member or item for which most is done, and for what that contains.
func (p *plan) within(around surroundings) (near, far factor) {
	passing := factor{perNode: p.perMember(around.track)}
	if p.names != nil {
		passing[perNode] += p.names.factors.factor()[perNode] + failureWeight
	}
	take := func(plans ...*plan) {
		var together factors
		for _, sub := range plans {
			if sub != nil {
				together = together.plus(sub.factors)
			}
		}
		near = near.max(together.own.plus(passing).plus(together.whole))
		far = far.max(together.near.max(together.far).plus(together.whole))
	}
	var patterns []*plan
	for _, pattern := range p.patterns {
		patterns = append(patterns, pattern.plan)
	}
	for _, sub := range p.properties {
		take(append(patterns[:len(patterns):len(patterns)], sub)...)
	}
	if p.additional != nil {
		take(p.additional)
	} else {
		take(p.unevaluated[0])
	}
	take(patterns...)
	for _, sub := range p.prefix {
		take(sub, p.contains)
	}
	if p.items != nil {
		take(p.items, p.contains)
	} else {
		take(p.unevaluated[1], p.contains)
	}
	return near, far
}
