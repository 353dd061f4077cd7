package config

// database.go holds how the database is reached.

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is where the outboxes are, and how they are reached.
type Database struct {
	// URL is a PostgreSQL URL, postgres://user@host:5432/name?sslmode=verify-full,
	// or the same as key=value pairs. What it leaves open is taken from the
	// variables of libpq, such as PGHOST. No default.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file"`
	// Password is the password of both URLs, so that they need not be secret. It
	// goes before one in a URL.
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	// ListenURL is the URL for the connection that waits for notifications. It is
	// needed where URL leads through a pooler such as PgBouncer, which does not pass
	// notifications on. Default: URL.
	ListenURL     Secret `yaml:"listen_url"`
	ListenURLFile string `yaml:"listen_url_file"`
	// PollOnly leaves notifications out: new messages are found by looking for them
	// at least every poll_max. Default: false.
	PollOnly bool `yaml:"poll_only"`
}

// check reads the secrets' files and tries the URLs.
func (d *Database) check(p *problems) {
	before := len(p.found)
	p.secret("database.url", &d.URL, d.URLFile)
	p.secret("database.password", &d.Password, d.PasswordFile)
	p.secret("database.listen_url", &d.ListenURL, d.ListenURLFile)
	if len(p.found) > before {
		return
	}
	if p.required("database.url", d.URL, d.URLFile) {
		if _, err := d.connConfig(d.URL); err != nil {
			p.at("database.url", "%v", err)
		}
	}
	if d.ListenURL == "" {
		return
	}
	if d.PollOnly {
		p.at("database.listen_url", "poll_only is set, so nothing listens; remove one of them")
	} else if _, err := d.connConfig(d.ListenURL); err != nil {
		p.at("database.listen_url", "%v", err)
	}
}

// dialer finds out within ten seconds that nobody is there any more, as after a failover
// that tells nobody.
var dialer = net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: 2 * time.Second, Count: 4}}

// ConnConfig returns how to connect to the database.
func (d *Database) ConnConfig() (*pgx.ConnConfig, error) { return d.connConfig(d.URL) }

// ListenConfig returns how to connect for notifications, or nil if there are none.
func (d *Database) ListenConfig() (*pgx.ConnConfig, error) {
	switch {
	case d.PollOnly:
		return nil, nil
	case d.ListenURL != "":
		return d.connConfig(d.ListenURL)
	default:
		return d.connConfig(d.URL)
	}
}

func (d *Database) connConfig(url Secret) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(url.Reveal())
	if err != nil {
		return nil, urlError(err)
	}
	if d.Password != "" {
		c.Password = d.Password.Reveal()
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "outboxworker"
	}
	c.DialFunc = dialer.DialContext
	return c, nil
}

// urlError says what is wrong with a URL without showing any of it: in one that
// cannot be parsed nobody knows which part is the password.
func urlError(err error) error {
	if missing := (*fs.PathError)(nil); errors.As(err, &missing) {
		return fmt.Errorf("reading a file that the URL names: %w", missing)
	}
	return errors.New("it is no PostgreSQL URL (postgres://user@host:5432/name) and no key=value pairs; " +
		"percent-encode special characters in a password, or write it to password")
}
