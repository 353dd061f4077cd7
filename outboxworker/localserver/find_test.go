//go:build unix && !aix && !solaris

package localserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// pretend makes programs that say they are PostgreSQL.
func pretend(t *testing.T, dir, version string) string {
	t.Helper()
	program(t, dir, "postgres", "echo 'postgres (PostgreSQL) "+version+"'")
	program(t, dir, "initdb", "exit 1")
	return dir
}

// Not parallel, like all that change PATH.
func TestFindPostgresPrefersPathThenTheNewest(t *testing.T) {
	root := t.TempDir()
	for _, version := range []string{"9.6.24", "15.4", "17beta1 (Something 1-2)", "16.3"} {
		major, _, _ := strings.Cut(version, ".")
		pretend(t, filepath.Join(root, "lib", strings.Fields(major)[0], "bin"), version)
	}
	places := []string{filepath.Join(root, "absent", "*"), filepath.Join(root, "lib", "*", "bin")}
	t.Setenv("PATH", filepath.Join(root, "empty"))
	newest := filepath.Join(root, "lib", "17beta1", "bin")
	find := func(want string) {
		t.Helper()
		if got, err := findPostgres(t.Context(), "", places); err != nil || got != want {
			t.Errorf("found %q, %v, want %q", got, err, want)
		}
	}
	find(newest)

	older := pretend(t, filepath.Join(root, "older"), "15.1")
	tools := filepath.Join(root, "tools")
	program(t, tools, "pg_config", "echo "+older)
	t.Setenv("PATH", tools)
	find(older)

	// a link in PATH leads to where initdb is
	first := pretend(t, filepath.Join(root, "first"), "15.2")
	links := filepath.Join(root, "links")
	if err := os.MkdirAll(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(first, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links+":"+tools)
	find(first)

	// too old in PATH is as good as none
	t.Setenv("PATH", pretend(t, filepath.Join(root, "old"), "14.9"))
	find(newest)
}

func TestPostgresIsNotInstalled(t *testing.T) {
	root := t.TempDir()
	t.Setenv("PATH", filepath.Join(root, "empty"))
	old := pretend(t, filepath.Join(root, "old"), "14.9")
	bare := filepath.Join(root, "bare")
	program(t, bare, "postgres", "echo 'postgres (PostgreSQL) 16.0'")
	strange := filepath.Join(root, "strange")
	program(t, strange, "postgres", "echo hello")
	absent := filepath.Join(root, "absent", "*")
	_, err := findPostgres(t.Context(), "", []string{old, bare, strange, absent})
	var missing *NotInstalledError
	if !errors.As(err, &missing) || missing.Name != "PostgreSQL 15 or later" {
		t.Fatalf("finding PostgreSQL where it is not: %v", err)
	}
	for _, want := range []string{
		"PATH", "pg_config", old + " (PostgreSQL 14)", bare + " (without initdb)", strange + " (a program", absent,
		"apt-get install postgresql", "brew install postgresql@16", "dnf install postgresql-server",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if _, err := StartPostgres(t.Context(), PostgresOptions{BinDir: old}); !errors.As(err, &missing) ||
		len(missing.Looked) != 1 || missing.Looked[0] != old+" (PostgreSQL 14)" {
		t.Errorf("starting from a folder with PostgreSQL 14: %v", err)
	}
}

func TestFindRedis(t *testing.T) {
	root := t.TempDir()
	t.Setenv("PATH", root)
	valkey := program(t, root, "valkey-server", "")
	if got, err := FindRedis(); err != nil || got != valkey {
		t.Errorf("found %q, %v, want Valkey", got, err)
	}
	redis := program(t, root, "redis-server", "")
	if got, err := FindRedis(); err != nil || got != redis {
		t.Errorf("found %q, %v, want Redis", got, err)
	}
	absent := filepath.Join(root, "absent")
	var missing *NotInstalledError
	if _, err := StartRedis(t.Context(), RedisOptions{Binary: absent}); !errors.As(err, &missing) ||
		!strings.Contains(err.Error(), absent) || !strings.Contains(missing.How, "apt-get install redis-server") {
		t.Errorf("starting a program that is not there: %v", err)
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	got, err := firstAccount([]string{"no-such-user", "nobody"})
	if err != nil || got.name != "nobody" {
		t.Fatalf("the account is %+v, %v, want the second", got, err)
	}
	if credential := got.credential(); nobody.Uid != fmt.Sprint(credential.Uid) || credential.Gid != got.gid {
		t.Errorf("the credential is %+v, want user %s", credential, nobody.Uid)
	}
	if (*account)(nil).credential() != nil {
		t.Error("no account has a credential")
	}
	if _, err := firstAccount([]string{"no-such-user"}); err == nil || !strings.Contains(err.Error(), "no-such-user") {
		t.Errorf("no account: %v", err)
	}
}
