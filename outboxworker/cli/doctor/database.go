package doctor

// database.go holds the checks of the server and of the way to it.

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// oldestVersion is PostgreSQL 15.
	oldestVersion = 150000
	// skewed is the difference between clocks from which on waits are visibly wrong.
	skewed = time.Second
	// A transaction that writes keeps the low-water mark where it is; a minute of
	// messages is looked up message by message then. A snapshot only keeps vacuum
	// from cleaning up, which takes longer to be felt.
	longWriting  = time.Minute
	longSnapshot = 10 * time.Minute
)

// server is a row of server.sql.
type server struct {
	Number            int
	Version           string
	Standby           bool
	Fsync             string
	FullPageWrites    string
	SynchronousCommit string
	Role              string
	Database          string
	PID               uint32 `db:"pid"`
	Clock             time.Time
	RoleLimit         int
	Free              int
}

// database makes the checks that concern all outboxes.
func (d *doctor) database(ctx context.Context) {
	asked := time.Now()
	rows, err := query[server](ctx, d, "server")
	answered := time.Now()
	if err != nil {
		d.failed("", "server", err)
		return
	}
	s := rows[0]
	d.version(s)
	d.durability(s)
	d.clock(s, asked, answered)
	d.capacity(s)
	d.path(s)
	d.notifications(ctx)
	d.holders(ctx, s)
}

func (d *doctor) version(s server) {
	if s.Number < oldestVersion {
		d.note("", "version", Error, "update the server", "PostgreSQL %s, the outbox needs 15 or later", s.Version)
	} else {
		d.note("", "version", OK, "", "PostgreSQL %s", s.Version)
	}
	if s.Standby {
		d.note("", "standby", Error, "connect to the primary: several hosts in the URL with target_session_attrs=read-write find it",
			"the server is a standby, on which nothing can be written")
	}
}

// durability warns of settings with which a crash loses what was acknowledged.
func (d *doctor) durability(s server) {
	sound := true
	warn := func(setting, value, text string) {
		sound = false
		d.note("", "durability", Warning, "set "+setting+"=on", "%s is %s: %s", setting, value, text)
	}
	if s.Fsync != "on" {
		warn("fsync", s.Fsync, "a crash of the machine may destroy the database, and the messages with it")
	}
	if s.FullPageWrites != "on" {
		warn("full_page_writes", s.FullPageWrites, "a crash of the machine may leave torn pages, unless the storage excludes them")
	}
	if s.SynchronousCommit == "off" {
		warn("synchronous_commit", s.SynchronousCommit,
			"a message may be delivered whose transaction a crash then undoes (the relay's own setting is synchronous_commit of the outbox)")
	}
	if sound {
		d.note("", "durability", OK, "", "fsync, full_page_writes and synchronous_commit are on")
	}
}

// clock compares the clocks. The server's reading lies between question and answer.
func (d *doctor) clock(s server, asked, answered time.Time) {
	d.serverClock, d.serverAsked, d.serverAnswered = s.Clock, asked, answered
	if off := apart(s.Clock, asked, answered); off > skewed {
		d.note("", "clock", Warning, "synchronise both machines with NTP",
			"the clocks of this machine and of the server differ by %s: delays in metrics and logs are wrong by that", off.Round(time.Millisecond))
		return
	}
	d.note("", "clock", OK, "", "the clocks differ by less than %s", skewed)
}

// apart is how far a clock is from this machine's at least, when it was read between two
// times of this machine.
func apart(clock, asked, answered time.Time) time.Duration {
	return max(0, asked.Sub(clock), clock.Sub(answered))
}

// capacity tells whether the relays find connections.
func (d *doctor) capacity(s server) {
	needed := 0
	for _, outbox := range d.target.Outboxes {
		// One more each for the metrics, for notifications and for timers.
		needed += outbox.Workers + 2
		if outbox.Timers != nil {
			needed++
		}
	}
	switch {
	case s.RoleLimit >= 0 && s.RoleLimit < needed:
		d.note("", "connections", Error, fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d", pgx.Identifier{s.Role}.Sanitize(), needed),
			"the relays take up to %d connections, and the role may have %d", needed, s.RoleLimit)
	case s.Free < needed:
		d.note("", "connections", Warning, "raise max_connections, or have fewer workers; it is no problem if the worker runs already",
			"the relays take up to %d connections, and %d are free", needed, max(s.Free, 0))
	default:
		d.note("", "connections", OK, "", "the relays take up to %d connections, and %d are free", needed, s.Free)
	}
}

// path looks for something between the worker and the server. A pooler answers with
// process ids of its own, and whatever forwards connections has ports of its own.
func (d *doctor) path(s server) {
	pooled := d.conn.PgConn().PID() != s.PID
	_, local := d.conn.PgConn().Conn().LocalAddr().(*net.UnixAddr)
	switch {
	case pooled && d.target.Listen != nil && !d.target.ListenApart:
		d.note("", "pooler", Warning, "set database.listen_url to the server itself, or database.poll_only",
			"a pooler such as PgBouncer is in the path: it does not pass notifications on")
	case pooled:
		d.note("", "pooler", OK, "", "a pooler such as PgBouncer is in the path, and the configuration allows for it; "+
			"before PgBouncer 1.21, database.url needs default_query_exec_mode=exec")
	case local:
		d.note("", "pooler", OK, "", "the connection is local, and no pooler is in the path")
	default:
		d.note("", "pooler", OK, "", "no pooler is in the path")
	}
}
