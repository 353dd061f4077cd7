package contract

// coverage.go tells what is not judged in one pass.

import (
	"maps"
	"slices"

	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// Coverage tells how the requests or the responses of the operation are judged: parameters or headers, and bodies.
func (op *Operation) Coverage(d schema.Direction) (all schema.Coverage) {
	if d == schema.Response {
		for _, resp := range op.declared() {
			for _, header := range resp.headers {
				all.Add(header.decoder.Coverage())
			}
			resp.content.addCoverage(&all)
		}
		return all
	}
	for _, p := range op.path {
		all.Add(p.decoder.Coverage())
	}
	for _, decoders := range [][]*param.Decoder{op.query, op.header, op.cookie} {
		for _, decoder := range decoders {
			all.Add(decoder.Coverage())
		}
	}
	op.body.addCoverage(&all)
	return all
}

// declared returns the responses, each once: several statuses may share one.
func (op *Operation) declared() []*Response {
	all := make(map[*Response]bool)
	for _, resp := range op.responses {
		all[resp] = true
	}
	for _, resp := range op.classes {
		all[resp] = true
	}
	all[op.fallback] = true
	delete(all, nil)
	return slices.Collect(maps.Keys(all))
}

// addCoverage adds that of all media types. Of a range such as */*, it is that of JSON alone.
func (c *content) addCoverage(all *schema.Coverage) {
	if c == nil {
		return
	}
	for i := range c.ranges {
		for k, check := range c.ranges[i].checks {
			if check != nil && !check.trivial && (c.ranges[i].exact || kind(k) == jsonText) {
				all.Add(check.coverage())
			}
		}
	}
}

func (b *BodyCheck) coverage() schema.Coverage {
	if b.kind == jsonText {
		return schema.CoverageOf(b.validator)
	}
	return schema.CoverageOfValues(b.validator, b.kind == form || b.kind == multipart)
}
