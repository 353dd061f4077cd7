package metrics

import (
	"testing"

	"github.com/weirproxy/weir/internal/adapttest"
)

func TestCaddyfile(t *testing.T) { adapttest.Run(t, "testdata") }
