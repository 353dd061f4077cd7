package localserver

// account.go finds the user as whom PostgreSQL runs, because it refuses to be root.

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// account is a user of the system.
type account struct {
	name     string
	uid, gid uint32
}

// accountNames are tried in this order. PostgreSQL's packages make the first, every
// system has the second.
var accountNames = []string{"postgres", "nobody"}

// unprivileged returns nil if this process is not root's and can start PostgreSQL as
// itself.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	return firstAccount(accountNames)
}

func firstAccount(names []string) (*account, error) {
	var problems []error
	for _, name := range names {
		found, err := lookup(name)
		if err == nil {
			return found, nil
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("choosing a user for PostgreSQL, which does not run as root: %w", errors.Join(problems...))
}

func lookup(name string) (*account, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("looking up user %s: %w", name, err)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the id of user %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the group of user %s: %w", name, err)
	}
	return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
}

// own gives a file or folder to the account; nil owns what this process makes.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("giving a folder to user %s: %w", a.name, err)
	}
	return nil
}
