package canary

import (
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/weirproxy/weir/internal/adapttest"
)

func TestCaddyfile(t *testing.T) { adapttest.Run(t, "testdata") }

func TestDocumentation(t *testing.T) {
	adapttest.Page(t, "../../docs/modules/canary_route.md")
	adapttest.Page(t, "../../docs/modules/release_stage.md")
}
