package trace

import (
	"testing"

	"github.com/weirproxy/weir/internal/adapttest"
)

func TestDocumentation(t *testing.T) { adapttest.Page(t, "../../docs/modules/trace_context.md") }
