package cli

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirproxy/weir/outboxworker/cli/doctor"
	"github.com/weirproxy/weir/outboxworker/operator"
)

const page = "../../docs/outbox-commands.md"

// The reference of the page is what the tree of commands says.
func TestThePageHasAllCommands(t *testing.T) {
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	written, reference, ok := strings.Cut(string(content), "-update -->\n")
	if !ok {
		t.Fatal("the page has no reference")
	}
	want := "\n| Command | What it does | Flags |\n|---|---|---|\n" + rows(newRoot(Process{}))
	if *update {
		if err := os.WriteFile(page, []byte(written+"-update -->\n"+want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if reference != want {
		t.Errorf("the page has\n%s\nwant\n%s\nTo write it: go test ./outboxworker/cli -run '^%s$' -update", reference, want, t.Name())
	}
}

// rows has a row for each command that does something.
func rows(command *cobra.Command) string {
	var b strings.Builder
	for _, sub := range command.Commands() {
		if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		if sub.HasSubCommands() && sub.Name() != "bench" {
			b.WriteString(rows(sub))
			continue
		}
		var flags []string
		sub.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" {
				flags = append(flags, "`--"+f.Name+"`")
			}
		})
		use := strings.TrimPrefix(strings.TrimSuffix(sub.UseLine(), " [flags]"), "outboxworker ")
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", use, sub.Short, strings.Join(flags, " "))
	}
	return b.String()
}

// The page names all fields of all forms of JSON, each in the row of its kind.
func TestThePageHasAllFields(t *testing.T) {
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for row, kind := range map[string]any{
		"dead messages": deadLetter{}, "groups": deadGroup{}, "retries": retry{}, "blocked keys": operator.BlockedKey{},
		"lanes": operator.Lane{}, "`find`": found{}, "`stats`": operator.Stats{}, "`stats` of a consumer": streamStats{}, "`verify`": operator.Check{},
		"`doctor`": doctor.Finding{}, "changes": outcome{}, "`audit`": audited{},
	} {
		line := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(row) + ` \| (.*) \|$`).FindStringSubmatch(string(content))
		if line == nil {
			t.Errorf("the page has no row of %s", row)
			continue
		}
		var has []string
		for _, match := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(line[1], -1) {
			has = append(has, match[1])
		}
		want := fieldNames(reflect.TypeOf(kind))
		slices.Sort(has)
		slices.Sort(want)
		if has, want = slices.Compact(has), slices.Compact(want); !slices.Equal(has, want) {
			t.Errorf("the page has of %s %q, want %q", row, has, want)
		}
	}
}

// fieldNames are the names of a struct's fields in JSON.
func fieldNames(of reflect.Type) (names []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" {
			names = append(names, name)
		}
		if f.Anonymous || f.Type == reflect.TypeFor[operator.TableBytes]() {
			names = append(names, fieldNames(f.Type)...)
		}
	}
	return names
}

// Each reason for which a change skips has a meaning, here and on the page.
func TestThePageHasAllReasonsForSkipping(t *testing.T) {
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(content), "What changes skip:")
	for reason := range skippedBecause {
		if !strings.Contains(text, "`"+reason+"`") {
			t.Errorf("the page does not say what %s means", reason)
		}
	}
}
