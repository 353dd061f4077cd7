package outbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/internal/testserver"
)

// psql runs SQL with psql alone, with the rights of a role unless it is empty, and
// returns what it wrote.
func psql(t *testing.T, url, role, sql string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(testserver.Postgres(t).BinDir(), "psql"),
		"--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", "--file=-", url)
	cmd.Env = os.Environ()
	if role != "" {
		cmd.Env = append(cmd.Env, "PGOPTIONS=-c role="+role)
	}
	cmd.Stdin = strings.NewReader(sql)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
