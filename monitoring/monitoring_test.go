// Package monitoring has alert rules for Prometheus and a dashboard for Grafana, and tests
// that they name metrics which exist and alert when they should.
//
// It depends on Prometheus' client, to register the worker's metrics, on go.yaml.in/yaml to
// read the rules, and on promtool, from Debian's package prometheus, to try them.
package monitoring

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/consumer"
	"github.com/weirproxy/weir/outboxworker/relay"
)

// names is a registry that only notes the names of what is registered: vectors show
// nothing before they have a value.
type names map[string]bool

var fqName = regexp.MustCompile(`fqName: "([^"]+)"`)

func (n names) Register(c prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc, 100)
	c.Describe(descriptions)
	close(descriptions)
	for d := range descriptions {
		if found := fqName.FindStringSubmatch(d.String()); found != nil {
			n[found[1]] = true
		}
	}
	return nil
}

func (n names) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		_ = n.Register(c)
	}
}

func (n names) Unregister(prometheus.Collector) bool { return false }

// workers returns the names of the metrics that workers have.
func workers(t *testing.T) names {
	t.Helper()
	n := make(names)
	if _, err := relay.NewMetrics(n); err != nil {
		t.Fatal(err)
	}
	if _, err := consumer.NewMetrics(n); err != nil {
		t.Fatal(err)
	}
	if len(n) < 20 {
		t.Fatalf("only %d metrics are registered", len(n))
	}
	return n
}

// has tells whether a metric exists, also by the names of a histogram's series.
func (n names) has(name string) bool {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && n[base] {
			return true
		}
	}
	return false
}

var metric = regexp.MustCompile(`\boutbox_[a-z0-9_]+`)

func checkNames(t *testing.T, where, text string, known names) {
	t.Helper()
	for _, name := range metric.FindAllString(text, -1) {
		if !known.has(name) {
			t.Errorf("%s names %s, which no worker has", where, name)
		}
	}
}

// rules are the parts of a file of rules that are tested.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRules(t *testing.T) {
	var r rules
	if err := yaml.Unmarshal(read(t, "outbox.rules.yml"), &r); err != nil {
		t.Fatal(err)
	}
	known, tests := workers(t), string(read(t, "outbox.rules.test.yml"))
	alerts := 0
	for _, group := range r.Groups {
		for _, rule := range group.Rules {
			alerts++
			checkNames(t, rule.Alert, rule.Expr+rule.Annotations["description"], known)
			if severity := rule.Labels["severity"]; severity != "page" && severity != "ticket" {
				t.Errorf("%s has the severity %q", rule.Alert, severity)
			}
			if rule.Annotations["summary"] == "" || !strings.Contains(rule.Annotations["description"], "outboxworker ") {
				t.Errorf("%s does not say what to do", rule.Alert)
			}
			if !strings.Contains(tests, rule.Alert) {
				t.Errorf("no test in outbox.rules.test.yml is about %s", rule.Alert)
			}
		}
	}
	if alerts < 10 {
		t.Errorf("there are %d alerts", alerts)
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), testserver.Promtool(t), args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesAlert(t *testing.T) {
	promtool(t, "check", "rules", "outbox.rules.yml")
	promtool(t, "test", "rules", "outbox.rules.test.yml")
}

// dashboard are the parts of a dashboard that are tested.
type dashboard struct {
	Panels []struct {
		ID          int    `json:"id"`
		Title       string `json:"title"`
		Type        string `json:"type"`
		Description string `json:"description"`
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

func TestDashboard(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal(read(t, "outbox.dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	known := workers(t)
	ids, cells := make(map[int]bool), make(map[[2]int]string)
	var expressions []string
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("%s is on top of %s, or beside the grid", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && (len(p.Targets) == 0 || p.Description == "") {
			t.Errorf("%s shows nothing, or does not say what", p.Title)
		}
		for _, target := range p.Targets {
			checkNames(t, p.Title, target.Expr, known)
			expressions = append(expressions, target.Expr)
		}
	}
	for _, variable := range d.Templating.List {
		checkNames(t, "the variable "+variable.Name, variable.Definition, known)
	}
	if len(expressions) < 20 {
		t.Errorf("there are %d expressions", len(expressions))
	}
	checkExpressions(t, expressions)
}

// checkExpressions has promtool parse them, as rules that record something.
func checkExpressions(t *testing.T, expressions []string) {
	t.Helper()
	type recording struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var all []recording
	seen := make(map[string]bool)
	for _, e := range expressions {
		e = strings.NewReplacer("$__rate_interval", "5m", "$outbox", ".*", "$group", ".*").Replace(e)
		if strings.Contains(e, "$") {
			t.Errorf("%s has a variable that is not known here", e)
		}
		if !seen[e] { // promtool does not like the same twice
			all = append(all, recording{"dashboard:expression", e})
		}
		seen[e] = true
	}
	type group struct {
		Name  string      `yaml:"name"`
		Rules []recording `yaml:"rules"`
	}
	text, err := yaml.Marshal(map[string][]group{"groups": {{"dashboard", all}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}
