package metrics

import (
	"os"
	"strings"
	"testing"

	"github.com/weirproxy/weir/internal/adapttest"
)

func TestDocumentation(t *testing.T) {
	const file = "../../docs/modules/request_metrics.md"
	adapttest.Page(t, file)
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if buckets := formatBuckets(defaultBuckets); !strings.Contains(string(page), "Default: `"+buckets+"`") {
		t.Errorf("the page has other default buckets than %s", buckets)
	}
}
