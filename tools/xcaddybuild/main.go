// Command xcaddybuild builds Caddy from a JSON file, the JSON form of
// xcaddy.Builder: xcaddy's own command line takes flags only, so a build could
// not be written down and checked in.
//
//	xcaddybuild xcaddy.json bin/caddy
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: xcaddybuild <xcaddy.json> <output file>")
	}
	builder, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := builder.Build(ctx, os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

// read reads the build from file. Unknown fields are errors: a misspelled one
// would otherwise give a binary that lacks something.
func read(file string) (xcaddy.Builder, error) {
	var builder xcaddy.Builder
	f, err := os.Open(file)
	if err != nil {
		return builder, err
	}
	defer f.Close()
	decoder := json.NewDecoder(f)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&builder); err != nil {
		return builder, fmt.Errorf("reading %s: %w", file, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return builder, fmt.Errorf("reading %s: more follows after the build", file)
	}
	return builder, absolute(builder.Replacements, filepath.Dir(file))
}

// absolute resolves replacements by a directory against dir, the file's own:
// xcaddy builds in a temporary directory, where they would mean something else.
func absolute(replacements []xcaddy.Replace, dir string) error {
	for i, r := range replacements {
		path := filepath.ToSlash(r.New.String())
		if path != "." && path != ".." && !strings.HasPrefix(path, "./") && !strings.HasPrefix(path, "../") {
			continue // a module path, or absolute already
		}
		abs, err := filepath.Abs(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		replacements[i].New = xcaddy.ReplacementPath(abs)
	}
	return nil
}
