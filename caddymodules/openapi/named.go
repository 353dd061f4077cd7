package openapi

// named.go checks the operations that a configuration names. One that the document does not have is an error, for it is
// likely mistyped; but one that it has had before is told only. Otherwise a document that drops an operation, which is
// taken while the gateway runs, would keep it from starting the next time.

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyserver/certmagic"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/internal/inforce"
	"github.com/weirproxy/weir/internal/spelling"
	"github.com/weirproxy/weir/internal/statestore"
)

// storedNames is the kind under which the named operations that a document has had are stored.
const storedNames = "contracts/operations"

// checkOperations refuses a configuration that names operations which the document does not have and never had.
func (h *Handler) checkOperations(ctx caddy.Context, g *generation) error {
	names := h.named()
	if len(names) == 0 {
		return nil
	}
	missing := h.newPlan(g).missing
	var had []string
	if err := statestore.Load(ctx.Storage(), storedNames, h.Name, &had); err != nil {
		h.logger.Warn("which operations the document has had is not known", zap.String("contract", h.Name), zap.Error(err))
	}
	for _, name := range missing {
		if !slices.Contains(had, name) {
			return fmt.Errorf("the document has no operation %q%s", name, suggestion(near(name, operationsOf(g))))
		}
	}
	inforce.Then(ctx, func() { h.keepNames(ctx.Storage(), names) })
	return nil
}

// keepNames adds to the stored names. Handlers of the same name may name different ones.
func (h *Handler) keepNames(storage certmagic.Storage, names []string) {
	var had []string
	err := statestore.Load(storage, storedNames, h.Name, &had)
	if err == nil {
		all := append(slices.Clone(had), names...)
		slices.Sort(all)
		if all = slices.Compact(all); slices.Equal(all, had) {
			return
		}
		err = statestore.Save(storage, storedNames, h.Name, all)
	}
	if err != nil {
		h.logger.Warn("which operations the document has is not kept", zap.String("contract", h.Name), zap.Error(err))
	}
}

// named are the operations that the configuration names, in order.
func (h *Handler) named() []string {
	names := slices.Concat(h.ReportOnly, h.EnforceOnly, h.Skip, slices.Collect(maps.Keys(h.MaxBodyOf)))
	slices.Sort(names)
	return slices.Compact(names)
}

// operationsOf are the names that operations can be given.
func operationsOf(g *generation) (names []string) {
	for _, op := range g.contract.Operations() {
		names = append(names, op.Method+" "+op.Template)
		if op.ID != "" {
			names = append(names, op.ID)
		}
	}
	return names
}

func suggestion(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; near it are " + strings.Join(names, ", ")
}

// near returns up to three of the known names that look like name, the nearest first.
func near(name string, known []string) []string {
	type candidate struct {
		name  string
		edits int
	}
	var candidates []candidate
	for _, k := range known {
		// half of a name that is different is another name
		if n := spelling.Distance(strings.ToLower(name), strings.ToLower(k)); n <= max(len(name), len(k))/2 {
			candidates = append(candidates, candidate{k, n})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Or(a.edits-b.edits, cmp.Compare(a.name, b.name)) })
	var names []string
	for _, c := range candidates[:min(len(candidates), 3)] {
		names = append(names, c.name)
	}
	return names
}
