package adapttest

import (
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	const page = "# page\n\n```caddyfile\n:80 {\n\trespond hi\n}\n```\n\n```json\n{\"handler\":\"static_response\",\"body\":\"hi\"}\n```\n"
	if err := checkPage(page); err != nil {
		t.Error(err)
	}
	for _, broken := range []string{
		"",
		strings.Replace(page, "respond", "resbond", 1),
		strings.Replace(page, `"hi"`, `"ho"`, 1),
		strings.Replace(page, `{"handler"`, `{{"handler"`, 1),
	} {
		if checkPage(broken) == nil {
			t.Errorf("accepted:\n%s", broken)
		}
	}
}
