package health

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/weirproxy/weir/internal/adapttest"
)

// Whatever a Caddyfile says, it is refused or becomes a configuration whose settings
// are valid.
func FuzzLoadShedCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"shop", "", "shop again", "{path}",
		"shop {\n\tcritical /a\n\tcritical @x\n\tlow *\n\texempt path /b /c\n}",
		"shop {\n\tmax_in_flight auto 10 20\n\tfloor 5%\n\tdry_run\n}",
		"shop {\n\tmax_in_flight auto 20 10\n}",
		"shop {\n\tmax_in_flight -1\n\tfloor 100%\n}",
		"shop {\n\tlow {\n\t\tmethod GET\n\t\theader X-A b\n\t}\n\tcritical `{path} == \"/\"`\n}",
		"shop {\n\tlow\n}", "shop {\n\tlow {\n\t}\n}", "shop {\n\tdry_run {\n\t\tx\n\t}\n}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		adapted, err := adapttest.Adapt(":80 {\n\t@x path /x\n\tload_shed " + text + "\n}\n")
		if err != nil {
			return
		}
		for _, h := range shedsIn(t, []byte(adapted)) {
			if err := errors.Join(checkShedName(h.Name), h.settings().Validate()); err != nil {
				t.Errorf("the Caddyfile is accepted, but its settings are not: %v", err)
			}
		}
	})
}

// shedsIn finds the load_sheds in a configuration.
func shedsIn(t *testing.T, config []byte) (found []*LoadShed) {
	t.Helper()
	var whole any
	if err := json.Unmarshal(config, &whole); err != nil {
		t.Fatal(err)
	}
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, inner := range v {
				look(inner)
			}
		case map[string]any:
			if v["handler"] == "load_shed" {
				text, err := json.Marshal(v)
				h := new(LoadShed)
				if err == nil {
					err = json.Unmarshal(text, h)
				}
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, h)
			}
			for _, inner := range v {
				look(inner)
			}
		}
	}
	look(whole)
	return found
}
