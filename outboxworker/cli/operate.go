package cli

// operate.go holds what the commands of an operator have in common: how they reach an
// outbox, and how they show lists.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/outboxworker/config"
	"github.com/weirproxy/weir/outboxworker/operator"
	"github.com/weirproxy/weir/outboxworker/outbox"
)

// operation is what a command of an operator is told.
type operation struct {
	process              Process
	file, outbox, output string
	limit                int
	selection
	// for changes
	yes           bool
	rate          float64
	reason, actor string
}

// listed is how many a list shows by default.
const listed = 100

func (o *operation) flags(command *cobra.Command) {
	configFlag(command, &o.file)
	command.Flags().StringVar(&o.outbox, "outbox", "", "`schema` of the outbox; without it the only one of the configuration")
	outputFlag(command, &o.output)
}

func (o *operation) limitFlag(command *cobra.Command, standard int, what string) {
	command.Flags().IntVar(&o.limit, "limit", standard, "most `"+what+"`; 0: no limit")
}

// check tells what is wrong with the flags that all have.
func (o *operation) check() error {
	switch {
	case o.limit < 0:
		return &usageError{errors.New("--limit: it is below 0")}
	case o.rate != 0 && !(o.rate >= 0.001 && o.rate <= 1e6): // which NaN is not either
		return &usageError{fmt.Errorf("--rate: %g is not between 0.001 and 1000000 messages a second; 0 is no limit", o.rate)}
	}
	return checkOutput(o.output)
}

// open connects to the outbox. The caller closes it by the function that it returns.
func (o *operation) open(ctx context.Context) (*operator.Operator, func(), error) {
	c, err := config.LoadDatabase(o.file, o.process.Environ)
	if err != nil {
		return nil, nil, err
	}
	if err := o.choose(c); err != nil {
		return nil, nil, err
	}
	settings, err := c.Database.ConnConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("reading database.url: %w", err)
	}
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	opened, err := operator.Open(connecting, settings, o.outbox, operator.Identity{Actor: o.who(), Reason: o.reason})
	if err != nil {
		return nil, nil, o.explained(fmt.Errorf("opening outbox %s: %w", o.outbox, err))
	}
	return opened, func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = opened.Close(closing)
	}, nil
}

// outboxMessages are the messages of an outbox that the flags select.
type outboxMessages struct {
	*operator.Operator
	of     *operation
	filter operator.Filter
	closer func()
}

func (m *outboxMessages) close() { m.closer() }

func (o *operation) openMessages(ctx context.Context) (*outboxMessages, error) {
	filter, err := o.ofOutbox()
	if err != nil {
		return nil, err
	}
	opened, closeIt, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	return &outboxMessages{opened, o, filter, closeIt}, nil
}

// explained says what to do where the server cannot be reached, or a right is missing. The
// worker's role, which is mostly that of the configuration, has not all that an operator
// needs.
func (o *operation) explained(err error) error {
	var connecting *pgconn.ConnectError
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &connecting):
		return fmt.Errorf("%w\n  fix: check database.url and the password, or the variables that go before them, and that the server runs and lets this machine in", err)
	case errors.As(err, &answer) && answer.Code == "42501":
		return fmt.Errorf("%w\n  fix: make the user a member of the role %s_operator, or name one who is in OUTBOXWORKER_DATABASE_URL", err, o.outbox)
	}
	return err
}

// with checks the flags, and connects to the outbox that is worked on.
func (o *operation) with(command *cobra.Command, changes bool, do func(context.Context, *operator.Operator, operator.Filter) error) error {
	if err := o.check(); err != nil {
		return err
	}
	var filter operator.Filter
	if o.selection.command != nil {
		if err := o.selection.check(changes); err != nil {
			return err
		}
		var err error
		if filter, err = o.ofOutbox(); err != nil {
			return err
		}
	}
	ctx, stop := interruptible(command.Context())
	defer stop()
	of, closeIt, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer closeIt()
	if err := complete(ctx, of, &filter); err != nil {
		return err
	}
	return o.explained(do(ctx, of, filter))
}

// withSource checks the flags, and opens and closes what is worked on.
func withSource[S interface{ close() }](o *operation, command *cobra.Command, changes bool, open func(context.Context) (S, error), do func(context.Context, S) error) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.selection.command != nil {
		if err := o.selection.check(changes); err != nil {
			return err
		}
	}
	ctx, stop := interruptible(command.Context())
	defer stop()
	s, err := open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return o.explained(do(ctx, s))
}

// choose finds out which outbox is meant, as migrate does.
func (o *operation) choose(c *config.Config) error {
	switch {
	case o.outbox != "":
		return nil
	case len(c.Outboxes) == 0:
		o.outbox = outbox.DefaultSchema
		return nil
	case len(c.Outboxes) == 1:
		o.outbox = c.Outboxes[0].Schema
		return nil
	}
	var names []string
	for i := range c.Outboxes {
		names = append(names, c.Outboxes[i].Schema)
	}
	return &usageError{fmt.Errorf("the configuration has %d outboxes: say which by --outbox: %s", len(names), strings.Join(names, ", "))}
}

// who is the operator's name. The database notes beside it whose login it was.
func (o *operation) who() string {
	if o.actor != "" {
		return o.actor
	}
	name := environment(o.process.Environ, "USER")
	if name == "" { // as in a container, or under cron
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	if host, err := os.Hostname(); err == nil && name != "" {
		return name + "@" + host
	}
	return name
}

// environment returns a variable, the last one of that name.
func environment(environ []string, name string) (value string) {
	for _, v := range environ {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			value = rest
		}
	}
	return value
}

// interruptible is done at the first Ctrl-C; a second one ends the process.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// pageSize is how many rows of a list are read at once, with one more still a page of the
// package operator.
const pageSize = 999

// showPages writes a list page by page, up to the limit. read returns a page of at most
// limit rows, and where the next begins, empty if there is none. A table has the widths of
// each page, so that no list is in memory as a whole.
func showPages[T any](o *operation, columns []column[T], read func(after string, limit int) (rows []T, next string, err error)) error {
	l := newListing(o.process.Out, o.output, columns)
	after, more := "", true
	for more {
		size := pageSize
		if o.limit > 0 {
			size = min(size, o.limit-l.n)
		}
		rows, next, err := read(after, size)
		if err != nil {
			return errors.Join(err, l.end())
		}
		for i := range rows {
			if err := l.add(&rows[i]); err != nil {
				return err
			}
		}
		if err := l.flush(); err != nil {
			return err
		}
		after, more = next, next != ""
		if o.limit > 0 && l.n >= o.limit {
			break
		}
	}
	if err := l.end(); err != nil {
		return err
	}
	if l.n == 0 {
		return nothing(o.process.Err)
	}
	if more {
		_, _ = fmt.Fprintf(o.process.Err, "There are more than these %d: see --limit.\n", l.n)
	}
	return nil
}

// nothing tells that nothing matched.
func nothing(to io.Writer) error {
	_, _ = fmt.Fprintln(to, "Nothing matches.")
	return &codedError{code: exitNothing}
}
