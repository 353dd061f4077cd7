package localserver

// find.go finds installed programs.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestPostgres is the first version that has what the outbox needs.
const oldestPostgres = 15

const (
	howPostgres = "apt-get install postgresql (Debian, Ubuntu), dnf install postgresql-server (Fedora, RHEL), " +
		"or brew install postgresql@16 (macOS)"
	howRedis = "apt-get install redis-server (Debian, Ubuntu), dnf install redis or valkey (Fedora, RHEL), " +
		"or brew install redis (macOS)"
)

// postgresPlaces are where packages put servers of several versions, outside of PATH.
var postgresPlaces = []string{
	"/usr/lib/postgresql/*/bin", // Debian
	"/usr/pgsql-*/bin",          // PostgreSQL's own RPMs
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin", // Homebrew on Intel
	"/usr/local/pgsql/bin",           // built from source
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// redisPlaces are tried after PATH, which cron and services cut short.
var redisPlaces = []string{"/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"}

// postgresSearch is one look for PostgreSQL.
type postgresSearch struct {
	looked []string
}

// findPostgres returns the folder of postgres and initdb. Given a folder, it looks
// there alone; else in PATH and then in places, which are patterns of folders.
func findPostgres(ctx context.Context, given string, places []string) (string, error) {
	var search postgresSearch
	if given != "" {
		if version := search.version(ctx, given); version >= oldestPostgres {
			return filepath.Abs(given)
		}
		return "", search.failure()
	}
	if dir := search.inPath(ctx); dir != "" {
		return dir, nil
	}
	var best string
	newest := oldestPostgres - 1
	for _, place := range places {
		dirs, _ := filepath.Glob(place) // the patterns are well-formed
		if len(dirs) == 0 {
			search.looked = append(search.looked, place)
		}
		for _, dir := range dirs {
			if version := search.version(ctx, dir); version > newest {
				best, newest = dir, version
			}
		}
	}
	if best == "" {
		return "", search.failure()
	}
	return best, nil
}

func (s *postgresSearch) failure() error {
	return &NotInstalledError{Name: fmt.Sprintf("PostgreSQL %d or later", oldestPostgres), Looked: s.looked, How: howPostgres}
}

// inPath looks where the first postgres in PATH is, and where pg_config says that the
// programs are.
func (s *postgresSearch) inPath(ctx context.Context) string {
	if program, err := exec.LookPath("postgres"); err != nil {
		s.looked = append(s.looked, "PATH")
	} else if program, err = filepath.EvalSymlinks(program); err == nil { // initdb is beside the program, not the link
		if dir := filepath.Dir(program); s.version(ctx, dir) >= oldestPostgres {
			return dir
		}
	}
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if err != nil {
		s.looked = append(s.looked, "the folder that pg_config names")
		return ""
	}
	if dir := strings.TrimSpace(string(out)); s.version(ctx, dir) >= oldestPostgres {
		return dir
	}
	return ""
}

var postgresVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// version returns the major version of the server in dir, or 0 if there is none.
func (s *postgresSearch) version(ctx context.Context, dir string) int {
	note := func(found string) int {
		if note := dir + found; !slices.Contains(s.looked, note) {
			s.looked = append(s.looked, note)
		}
		return 0
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return note("")
	}
	match := postgresVersion.FindSubmatch(out)
	if match == nil {
		return note(" (a program postgres of unknown version)")
	}
	version, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return note(" (a program postgres of unknown version)")
	}
	if version < oldestPostgres {
		return note(fmt.Sprintf(" (PostgreSQL %d)", version))
	}
	if !executable(filepath.Join(dir, "initdb")) {
		return note(" (without initdb)")
	}
	return version
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// FindRedis returns the path of the program that StartRedis starts when none is given.
// The error is a *NotInstalledError when there is none.
func FindRedis() (string, error) { return findRedis("") }

// findRedis returns the path of a server. Given a program, it looks for that alone.
func findRedis(given string) (string, error) {
	names, looked := []string{"redis-server", "valkey-server"}, []string{"PATH"}
	if given != "" {
		names, looked = []string{given}, []string{given}
	}
	for _, name := range names {
		if program, err := exec.LookPath(name); err == nil {
			return filepath.Abs(program)
		}
	}
	if given == "" {
		looked = append(looked, redisPlaces...)
		for _, dir := range redisPlaces {
			for _, name := range names {
				if program := filepath.Join(dir, name); executable(program) {
					return program, nil
				}
			}
		}
	}
	return "", &NotInstalledError{Name: "Redis or Valkey", Looked: looked, How: howRedis}
}
