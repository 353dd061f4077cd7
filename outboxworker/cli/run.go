package cli

// run.go has the command run: the worker's life between its signals.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/config"
)

func newRun(process Process) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "run",
		Short: "Deliver messages until SIGTERM or SIGINT",
		Long: "run delivers the messages of all outboxes of the configuration.\n\n" +
			"SIGTERM and SIGINT end it: batches under way are finished or given up within stop_timeout. A second one ends it at once, " +
			"which loses nothing, but what was sent last may be sent again.\n" +
			"SIGHUP makes it read the configuration again, with the files of secrets. If that can be used, the relays of outboxes " +
			"that changed are exchanged one after the other, each after its batch; if not, all goes on as before.",
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runSignalled(command.Context(), process, file, newRelays)
		},
	}
	configFlag(command, &file)
	return command
}

// runSignalled is run with the signals of the process.
func runSignalled(ctx context.Context, process Process, file string, of newServices) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	return run(ctx, process, file, signals, of)
}

// run starts a worker and lives until it is told to end.
func run(ctx context.Context, process Process, file string, signals <-chan os.Signal, of newServices) error {
	c, err := config.Load(file, process.Environ)
	if err != nil {
		return err
	}
	w, err := newWorker(c, process, of)
	if err != nil {
		return err
	}
	if err := w.start(ctx, c); err != nil {
		return errors.Join(err, w.stop(signals))
	}
	defer func() { _ = w.logger.Sync() }()
	w.attend(ctx, file, signals)
	return w.stop(signals)
}

// attend reloads at each SIGHUP, until another signal or the end of ctx. A reload waits
// for batches; meanwhile signals are heard.
func (w *worker) attend(ctx context.Context, file string, signals <-chan os.Signal) {
	ctx, cancel := context.WithCancel(ctx)
	var reloaded chan struct{} // nil: no reload is under way
	defer func() {
		cancel()
		if reloaded != nil {
			<-reloaded
		}
	}()
	again := false // SIGHUP came during a reload, which may have read the old file
	for {
		select {
		case <-ctx.Done():
			w.logger.Info("stopping: the caller is done")
			return
		case s := <-signals:
			if s != syscall.SIGHUP {
				w.logger.Info("stopping", zap.Stringer("signal", s))
				return
			}
			again = reloaded != nil
			if again {
				continue
			}
		case <-reloaded:
			reloaded = nil
			if !again {
				continue
			}
			again = false
		}
		reloaded = make(chan struct{})
		go func(done chan struct{}) {
			defer close(done)
			w.reload(ctx, file)
		}(reloaded)
	}
}

// stopMargin is what a stop may take beyond the longest stop_timeout.
const stopMargin = 3 * time.Second

// stop ends the services within their time, or at once when another signal to end comes,
// and then the server, so that what happens meanwhile can be watched.
func (w *worker) stop(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.stopsWithin(nil)+stopMargin)
	defer cancel()
	hurried := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(hurried)
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP {
					continue
				}
				w.logger.Warn("stopping at once", zap.Stringer("signal", s))
				cancel()
				return
			case <-ended:
				return
			}
		}
	}()
	err := w.services.stop(ctx)
	if serverErr := w.shutDown(ctx); err == nil {
		err = serverErr
	}
	close(ended)
	<-hurried
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	w.logger.Info("stopped")
	return nil
}
