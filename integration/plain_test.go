package integration

// plain_test.go compares weir, with all of its handlers, with plain Caddy of the same
// configuration: what a client sees, and what an upstream sees.

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"

	"github.com/weirproxy/weir/internal/freeport"
)

type plainSetup struct {
	Admin, Port, Folder, Backend, Responses string
	Weir                                    bool
}

func startPlain(t *testing.T, binary string, setup plainSetup) (address string) {
	t.Helper()
	setup.Admin, address = freeport.Address(t), freeport.Address(t)
	_, setup.Port, _ = net.SplitHostPort(address)
	var config strings.Builder
	if err := template.Must(template.New("").Parse(plainSite)).Execute(&config, setup); err != nil {
		t.Fatal(err)
	}
	Start(t, binary, setup.Admin, config.String())
	return address
}

func TestSeenAsWithPlainCaddy(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"api.yaml": plainDocument(), "small.txt": "0123456789", "large.txt": strings.Repeat("0123456789", 100000),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	backends := map[bool]*rawBackend{true: newRawBackend(t), false: newRawBackend(t)}
	addresses := map[bool]string{}
	for weir, backend := range backends {
		binary := PlainCaddy
		if weir {
			binary = Weir
		}
		addresses[weir] = startPlain(t, binary(t), plainSetup{
			Folder: folder, Backend: backend.address, Responses: "report", Weir: weir,
		})
	}
	cases := plainCases()
	seen := make([][2]string, len(cases))
	var all sync.WaitGroup
	places := make(chan struct{}, 64)
	for n, c := range cases {
		all.Add(1)
		places <- struct{}{}
		go func() {
			defer func() { <-places; all.Done() }()
			for i, weir := range []bool{false, true} {
				backend := backends[weir]
				name := fmt.Sprint(n)
				text := c.talk(addresses[weir], name)
				for _, asked := range slices.Compact(backend.seen(name)) {
					text += "\nbackend: " + asked
				}
				text = strings.ReplaceAll(text, backend.address, "BACKEND")
				seen[n][i] = strings.ReplaceAll(text, addresses[weir], "GATEWAY")
			}
		}()
	}
	all.Wait()
	for n, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if seen[n][0] != seen[n][1] {
				t.Errorf("plain Caddy:\n%s\n\nweir:\n%s", seen[n][0], seen[n][1])
			}
		})
	}
}
