package contractdiff

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzAgainstFilter looks for requests on which the judges disagree without a cause. kin-openapi's filter and weir are
// told a query and a body of a POST /pets.
func FuzzAgainstFilter(f *testing.F) {
	s := load(f, "shop30.yaml", []byte(shop30))
	pets := []string{
		`{"name":"Rex"}`, `{"name":"Rex","tag":null,"age":3,"weight":2.5,"born":"2024-02-29","kind":"cat"}`,
		`{"name":"Rex","toys":["ball","bone"],"owner":{"id":9007199254740993,"mail":"a@example.com","extra":{"a":1}}}`,
		`{"name":"Rex","parent":{"name":"Max","parent":{"name":"Äda 😀"}},"code":1000,"note":true,"any":[null,{}]}`,
		`{"name":"Rex","code":"abcd","note":"a","weight":0.25}`,
	}
	queries := []string{
		"", "limit=5&page=-1&price=1.5&exact=true&sort=name&tags=a&tags=b&ids=1,2,3", "limit=0x1F", "page=010&exact=True",
		"tags=&ids=",
	}
	for i, pet := range pets {
		f.Add(queries[i], []byte(pet))
		for _, bad := range spoiltTexts([]byte(pet)) {
			f.Add("", bad.body)
		}
	}
	for _, odd := range oddTexts {
		for _, name := range []string{"limit", "page", "price", "exact", "sort", "tags", "ids"} {
			f.Add(name+"="+odd, []byte(pets[0]))
		}
	}
	f.Fuzz(func(t *testing.T, query string, body []byte) {
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
			return // no request line can carry it
		}
		newComparison(t).compareWith(&exchange{
			document: s, title: "fuzz", method: http.MethodPost, target: "/pets?" + query,
			header: http.Header{"Content-Type": {"application/json"}}, body: body,
		}, kin)
	})
}
