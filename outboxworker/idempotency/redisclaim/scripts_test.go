package redisclaim

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The name of a script's file says how many keys it has, and its comment describes them
// and the arguments, of which it uses no others. No script reads a clock.
func TestScriptsSayWhatTheyTake(t *testing.T) {
	scripts := map[string]string{
		"begin-1.lua": beginText, "done-1.lua": doneText, "release-1.lua": releaseText, "extend-1.lua": extendText,
	}
	files, err := filepath.Glob("*.lua")
	if err != nil || len(files) != len(scripts) {
		t.Fatalf("scripts %q, error %v; a further one needs its place here", files, err)
	}
	for name, text := range scripts {
		if !strings.HasPrefix(text, "-- "+strings.TrimSuffix(name, ".lua")+": ") {
			t.Errorf("%s does not begin with its name", name)
		}
		if strings.Contains(text, "'TIME'") {
			t.Errorf("%s reads the clock", name)
		}
		described := make(map[string]bool)
		for _, field := range regexp.MustCompile(`(?m)^-- (\w+\[\d\])  `).FindAllStringSubmatch(text, -1) {
			described[field[1]] = true
		}
		used := make(map[string]bool)
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "--") {
				for _, field := range regexp.MustCompile(`(?:KEYS|ARGV)\[\d\]`).FindAllString(line, -1) {
					used[field] = true
				}
			}
		}
		if fmt.Sprint(described) != fmt.Sprint(used) || !used["KEYS[1]"] || used["KEYS[2]"] {
			t.Errorf("%s describes %v and uses %v", name, described, used)
		}
	}
}
