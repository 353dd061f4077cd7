package cli

// doctor.go has the command doctor.

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/cli/doctor"
	"github.com/weirproxy/weir/outboxworker/config"
)

func newDoctor(process Process) *cobra.Command {
	var file, output string
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what makes an outbox slow, unsafe or silent",
		Long: "doctor looks at the server and its settings, at the tables, at the rights of the worker's role, at what is between " +
			"the worker and the server, at the Redis of timers and consumers, and whether receivers answer. Nothing is changed. " +
			"Exit 1 if any finding is an error.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return examine(command.Context(), process, file, output)
		},
	}
	configFlag(command, &file)
	outputFlag(command, &output)
	return command
}

func examine(ctx context.Context, process Process, file, output string) error {
	c, err := config.Load(file, process.Environ)
	if err != nil {
		return err
	}
	target, closeSinks, err := doctorTarget(c)
	defer closeSinks()
	if err != nil {
		return err
	}
	findings := doctor.Examine(ctx, target)
	if output == formTable {
		err = writeFindings(process.Out, findings)
	} else {
		err = writeList(process.Out, output, nil, findings)
	}
	if err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	if doctor.Failed(findings) {
		return silentError{}
	}
	return nil
}

// doctorTarget returns what the configuration has to be looked at. The sinks that it
// opens are closed by the function that it returns.
func doctorTarget(c *config.Config) (target doctor.Target, closeAll func(), err error) {
	var closers []io.Closer
	closeAll = func() {
		for _, c := range closers {
			_ = c.Close()
		}
	}
	if len(c.Outboxes) > 0 { // consumers need no database
		if target.Connect, err = c.Database.ConnConfig(); err != nil {
			return target, closeAll, fmt.Errorf("reading database.url: %w", err)
		}
		if target.Listen, err = c.Database.ListenConfig(); err != nil {
			return target, closeAll, fmt.Errorf("reading database.listen_url: %w", err)
		}
		target.ListenApart = c.Database.ListenURL != ""
	}
	if c.Redis != nil {
		client, err := c.Redis.Open()
		if err != nil {
			return target, closeAll, err
		}
		closers = append(closers, client)
		target.Redis = &doctor.Redis{Client: client, Keeps: len(c.Consumers) > 0}
	}
	for i := range c.Outboxes {
		o := &c.Outboxes[i]
		to, err := o.Sink.Open()
		if err != nil {
			return target, closeAll, err
		}
		closers = append(closers, to)
		examined := doctor.Outbox{Schema: o.Schema, Workers: o.Workers, Sink: o.Sink.Kind()}
		if asked, ok := to.(doctor.Receiver); ok {
			examined.Receiver = asked
		} else if o.Sink.Webhook != nil {
			if examined.Receiver, err = webhook(o.Sink.Webhook); err != nil {
				return target, closeAll, err
			}
		}
		if target.Redis != nil {
			if examined.Timers, err = o.Timers(target.Redis.Client, target.Connect, zap.NewNop()); err != nil {
				return target, closeAll, err
			}
		}
		target.Outboxes = append(target.Outboxes, examined)
	}
	for i := range c.Consumers {
		one := &c.Consumers[i]
		receiver, err := webhook(&one.Webhook)
		if err != nil {
			return target, closeAll, err
		}
		target.Consumers = append(target.Consumers, doctor.Consumer{Name: one.Name, Receiver: receiver})
	}
	return target, closeAll, nil
}

// webhook returns what can be seen of a webhook's receiver: it cannot be asked without a
// message, but whether anybody listens can be tried.
func webhook(w *config.Webhook) (doctor.Receiver, error) {
	certificates, err := w.TLS.Config()
	if err != nil {
		return nil, fmt.Errorf("reading the webhook's certificates: %w", err)
	}
	return &doctor.Webhook{
		URL: w.URL.Reveal(), Proxy: w.Proxy.Reveal(), TLS: certificates, Signed: w.Secret != "",
	}, nil
}

// writeFindings writes a table. A fix stands under its finding, as it may be long.
func writeFindings(to io.Writer, findings []doctor.Finding) error {
	table := newTable(to)
	for _, f := range findings {
		outbox := f.Outbox
		if outbox == "" {
			outbox = "-"
		}
		for i, line := range strings.Split(f.Text, "\n") { // of an error there may be several
			if line = printable(strings.TrimSpace(line)); i == 0 {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Level, outbox, f.Check, line)
			} else {
				_, _ = fmt.Fprintf(table, "\t\t\t%s\n", line)
			}
		}
		if f.Fix != "" {
			_, _ = fmt.Fprintf(table, "\t\t\tfix: %s\n", f.Fix)
		}
	}
	return table.Flush()
}
