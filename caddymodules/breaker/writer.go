package breaker

// writer.go is the guard as the owner of the writer of next: it ends the call at the headers of a
// stream, and holds a failing answer back that the fallback is to replace.

import (
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/exchange"
)

// Begin implements exchange.Owner.
func (g *guard) Begin(status int) (hold bool) {
	failed := g.handler.failures.Has(status)
	switch {
	case failed && g.hold():
		return true
	case failed || g.Streams():
		g.answered(failed)
	case status != exchange.StatusClientClosed && !g.body.Failed(): // else nobody has answered
		g.call.Answered()
	}
	return false
}

// answered ends the call at the headers of a stream, as how long that lasts, and how it
// ends, is as much the client's doing, and at those of a failure, which nothing after
// them makes better.
func (g *guard) answered(failed bool) {
	outcome := circuit.Success
	switch {
	case g.body.Failed():
		outcome = circuit.Neutral
	case failed:
		outcome = circuit.Failure
	}
	g.call.End(outcome, g.retryAfter())
}

// Take implements exchange.Owner for a failing answer that is held back.
func (g *guard) Take(p []byte) (int, error) { return g.second.discard(p) }

// Interface guards
var _ exchange.Owner = (*guard)(nil)
