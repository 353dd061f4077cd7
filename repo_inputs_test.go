package weir

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// synctestFakesIt is the reason for a clock that is read where it is needed: a test
// in testing/synctest has its own time, so nothing waits. Tests in the same package
// must use it.
const synctestFakesIt = "tested with testing/synctest, whose time is faked"

// outsideInputs are the files of governance that read a clock or draw a random
// number themselves, with the reason why neither is an argument.
var outsideInputs = map[string]map[string]string{
	"governance/balance/balancer.go": {"time": synctestFakesIt},
	"governance/balance/body.go":     {"time": synctestFakesIt},
	"governance/balance/snapshot.go": {"time": synctestFakesIt},
	"governance/balance/table.go": {
		"time": synctestFakesIt,
		"rand": "where a schedule begins, and who is drawn from a pool of which only a part is offered: " +
			"tests check shares over many picks, which must hold for any numbers",
	},
	"governance/balance/weights.go":   {"time": synctestFakesIt},
	"governance/circuit/admission.go": {"time": synctestFakesIt},
	"governance/circuit/breaker.go":   {"time": synctestFakesIt},
	"governance/circuit/call.go":      {"time": synctestFakesIt},
	"governance/circuit/decision.go":  {"time": synctestFakesIt},
	"governance/circuit/history.go": {
		"time": synctestFakesIt,
		"rand": "jitter of the open time: tests check its bounds, which must hold for any numbers",
	},
	"governance/circuit/slow.go":        {"time": synctestFakesIt},
	"governance/circuit/snapshot.go":    {"time": synctestFakesIt},
	"governance/client/attempt.go":      {"time": synctestFakesIt},
	"governance/client/list.go":         {"time": synctestFakesIt},
	"governance/client/retry.go":        {"time": synctestFakesIt},
	"governance/discovery/discovery.go": {"time": synctestFakesIt},
	"governance/discovery/pace.go": {
		"rand": "jitter of the delays: tests check how many questions there are, which must hold for any numbers",
	},
	"governance/lease/errors.go": {
		"rand": "jitter of renewals and delays: tests check its bounds, which must hold for any numbers",
	},
	"governance/lease/keep.go":    {"time": synctestFakesIt},
	"governance/lease/lease.go":   {"time": synctestFakesIt},
	"governance/lease/session.go": {"time": synctestFakesIt},
	"governance/lease/state.go":   {"time": synctestFakesIt},
	"governance/lease/watch.go":   {"time": synctestFakesIt},
	"governance/processhealth/check.go": {
		"time": synctestFakesIt,
		"rand": "jitter of the polls: tests check its bounds, which must hold for any numbers",
	},
	"governance/client/client.go":               {"time": synctestFakesIt},
	"governance/processhealth/processhealth.go": {"time": synctestFakesIt},
	"governance/processhealth/readiness.go":     {"time": synctestFakesIt},
	"governance/processhealth/system_linux.go":  {"time": synctestFakesIt},
	"governance/shed/adaptive.go":               {"time": synctestFakesIt},
	"governance/tracecontext/generate.go":       {"rand": "New is Generate, which takes the source as an argument, with the runtime's"},
}

var (
	clockReads = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	// what math/rand has besides functions of the source that all packages share
	randIsGiven = regexp.MustCompile(`^(New.*|Rand|Source|Source64|PCG|ChaCha8|Zipf)$`)
)

// Rule 5 of the architecture.
func TestAlgorithmsTakeTimeAndRandomnessAsArguments(t *testing.T) {
	found := make(map[string]map[string]bool)
	for importPath, p := range allPackages(t) {
		if !within(importPath, module+"governance") {
			continue
		}
		for _, name := range p.GoFiles {
			file := path.Join(strings.TrimPrefix(importPath, module), name)
			found[file] = make(map[string]bool)
			for input, what := range inputsOf(parse(t, filepath.Join(p.Dir, name))) {
				found[file][input] = true
				if outsideInputs[file][input] == "" {
					t.Errorf("%s uses %s: take it as an argument, so that a test can give it, or name the reason in outsideInputs", file, what)
				}
			}
			if found[file]["time"] && outsideInputs[file]["time"] == synctestFakesIt && !usesSynctest(t, p) {
				t.Errorf("%s reads the clock, but no test beside it uses testing/synctest", file)
			}
		}
	}
	for file, inputs := range outsideInputs {
		for input := range inputs {
			// what is not there yet, or no more, is nobody's mistake
			if used, exists := found[file]; exists && !used[input] {
				t.Errorf("%s is allowed to use %s and does not: take it out of outsideInputs", file, input)
			}
		}
	}
}

// inputsOf returns what a file takes from outside: "time" or "rand", with the first
// use of each.
func inputsOf(file *ast.File) map[string]string {
	found := make(map[string]string)
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		input := map[string]string{"time": "time", "math/rand": "rand", "math/rand/v2": "rand", "crypto/rand": "rand"}[imported]
		if input == "" {
			continue
		}
		name := input
		if spec.Name != nil {
			name = spec.Name.Name
		}
		ast.Inspect(file, func(n ast.Node) bool {
			what, ok := selected(n, name)
			outside := slices.Contains(clockReads, what)
			if input == "rand" {
				outside = !randIsGiven.MatchString(what)
			}
			if ok && outside && found[input] == "" {
				found[input] = imported + "." + what
			}
			return true
		})
	}
	return found
}

func usesSynctest(t *testing.T, p *listed) bool {
	t.Helper()
	return slices.ContainsFunc(slices.Concat(p.TestGoFiles, p.XTestGoFiles), func(name string) bool {
		content, err := os.ReadFile(filepath.Join(p.Dir, name))
		return err == nil && strings.Contains(string(content), `"testing/synctest"`)
	})
}
