package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// documented is a key, as the page must have it.
type documented struct {
	key, standard string
	secret        bool
}

// required are the keys without which nothing works.
var required = []string{"database.url", "outboxes[].sink.webhook.url",
	"consumers[].name", "consumers[].streams", "consumers[].webhook.url"}

// allKeys returns all keys that have values, with their defaults.
func allKeys(key string, v reflect.Value) []documented {
	if d, ok := v.Addr().Interface().(defaulter); ok {
		d.setDefaults()
	}
	var all []documented
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == "" {
			continue
		}
		full, field := join(key, name), v.Field(i)
		switch {
		case field.Kind() == reflect.Struct:
			all = append(all, allKeys(full, field)...)
		case field.Kind() == reflect.Pointer:
			all = append(all, allKeys(full, reflect.New(field.Type().Elem()).Elem())...)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			all = append(all, allKeys(full+"[]", reflect.New(field.Type().Elem()).Elem())...)
		default:
			all = append(all, documented{full, standard(full, field), field.Type() == reflect.TypeFor[Secret]()})
		}
	}
	return all
}

// standard returns a default as the page writes it.
func standard(key string, v reflect.Value) string {
	text := fmt.Sprint(v.Interface())
	if duration, ok := v.Interface().(time.Duration); ok {
		text = strings.TrimSuffix(duration.String(), "0s")
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		if text == "" || text[len(text)-1] != 'm' && text[len(text)-1] != 'h' {
			text = duration.String()
		}
	}
	if v.Kind() == reflect.Slice {
		text = strings.ReplaceAll(text, " ", ", ")
	}
	switch {
	case slices.Contains(required, key):
		return "required"
	case text == "" || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0:
		return "none"
	default:
		return "`" + text + "`"
	}
}

var row = regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\| ([^|]+) \\| ([^|]+) \\|$")

func TestThePageHasEveryKeyWithItsDefault(t *testing.T) {
	content, err := os.ReadFile("../../docs/outbox-configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(content), "## Keys")
	type entry struct{ standard, meaning string }
	found := make(map[string]entry)
	for _, match := range row.FindAllStringSubmatch(page, -1) {
		if _, twice := found[match[1]]; twice {
			t.Errorf("the page has %s twice", match[1])
		}
		found[match[1]] = entry{match[2], match[3]}
	}
	keys := allKeys("", reflect.ValueOf(new(Config)).Elem())
	keys = slices.DeleteFunc(keys, func(d documented) bool {
		return strings.HasPrefix(d.key, "consumers[].webhook.") // of one type with the sink's
	})
	if len(keys) < 50 {
		t.Fatalf("only %d keys found in the structs", len(keys))
	}
	for _, want := range keys {
		got, ok := found[want.key]
		switch {
		case !ok:
			t.Errorf("the page lacks %s, default %s", want.key, want.standard)
		case got.standard != want.standard:
			t.Errorf("the page says that the default of %s is %s; it is %s", want.key, got.standard, want.standard)
		case want.secret != strings.HasPrefix(got.meaning, "Secret."):
			t.Errorf("%s: secret %t, but the page says %q", want.key, want.secret, got.meaning)
		}
		if want.secret && !slices.ContainsFunc(keys, func(d documented) bool { return d.key == want.key+"_file" }) {
			t.Errorf("%s is secret and has no %s_file", want.key, want.key)
		}
		delete(found, want.key)
	}
	for key := range found {
		t.Errorf("the page has %s, which is no key", key)
	}
}

func TestEveryKeyHasAVariable(t *testing.T) {
	names := make(map[string]string)
	for _, k := range allKeys("", reflect.ValueOf(new(Config)).Elem()) {
		if strings.HasSuffix(k.key, ".headers") {
			continue // a mapping
		}
		name := variableOf(strings.ReplaceAll(k.key, "[]", "[3]"))
		if other, twice := names[name]; twice {
			t.Errorf("%s and %s have the same variable %s", k.key, other, name)
		}
		names[name] = k.key
		path, ok := resolve(reflect.TypeFor[Config](), strings.TrimPrefix(name, Prefix))
		got := ""
		for _, s := range path {
			if s.name == "" {
				got += fmt.Sprintf("[%d]", s.index)
			} else {
				got = join(got, s.name)
			}
		}
		if want := strings.ReplaceAll(k.key, "[]", "[3]"); !ok || got != want {
			t.Errorf("%s leads to %q, want %s", name, got, want)
		}
	}
}

const example = "../../outboxworker.example.yaml"

func TestTheExampleIsValid(t *testing.T) {
	c, err := Load(example, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Outboxes) != 2 || c.Outboxes[0].Sink.Kind() != "redis_stream" || c.Outboxes[1].Sink.Kind() != "webhook" {
		t.Errorf("the example has other outboxes than the page says")
	}
}

// The example, with all that is commented out, has every key, and shows the defaults.
func TestTheExampleHasEveryKey(t *testing.T) {
	content, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	uncommented := regexp.MustCompile(`(?m)^( *)# (( *- )?[a-z_]+:|  +[a-zA-Z_-]+:)`).ReplaceAllString(string(content), "$1$2")
	for _, k := range allKeys("", reflect.ValueOf(new(Config)).Elem()) {
		name := lastName(k.key)
		line := regexp.MustCompile(`(?m)^ +(- )?` + name + `: *([^#\n]*)`)
		matches := line.FindAllStringSubmatch(uncommented, -1)
		if matches == nil {
			t.Errorf("the example lacks %s", k.key)
		}
		value, isPlain := strings.CutPrefix(k.standard, "`")
		if !isPlain || name == "schema" {
			continue
		}
		value = strings.TrimSuffix(value, "`")
		if !slices.ContainsFunc(matches, func(m []string) bool { return strings.TrimSpace(m[2]) == value }) {
			t.Errorf("the example does not show that the default of %s is %s", k.key, value)
		}
	}
}
