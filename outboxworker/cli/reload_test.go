package cli

import (
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/outboxworker/config"
)

// The settings of the log need no database.
func TestReloadChangesTheLevelOfTheLog(t *testing.T) {
	content := "database: {url: postgres://nobody@127.0.0.1:1/nothing}\nhttp: {address: \"\"}\noutboxes: [{sink: {discard: {}}}]\n"
	file, log := written(t, content), new(logbook)
	process := Process{Out: io.Discard, Err: log}
	c, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorker(c, process, newRelays)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.logger.Debug("not yet")
	if err := os.WriteFile(file, []byte(content+"log: {level: debug, format: console}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.reload(t.Context(), file)
	w.logger.Debug("from now on")
	if w.level.Level() != zapcore.DebugLevel {
		t.Errorf("the level is %s", w.level.Level())
	}
	text := log.String()
	if strings.Contains(text, "not yet") || !strings.Contains(text, `"msg":"from now on"`) ||
		!strings.Contains(text, "log.format changed; it takes effect when the worker is restarted") {
		t.Errorf("log:\n%s", text)
	}
	if err := w.stop(nil); err != nil {
		t.Error(err)
	}
}

func TestTheConsolesLogIsNotJSON(t *testing.T) {
	log := new(logbook)
	w, err := newWorker(&config.Config{Log: config.Log{Level: "info", Format: "console"}, Outboxes: make([]config.Outbox, 1)}, Process{Out: io.Discard, Err: log}, newRelays)
	if err != nil {
		t.Fatal(err)
	}
	w.logger.Info("hello")
	if text := log.String(); !strings.Contains(text, "\tINFO\thello") {
		t.Errorf("log: %s", text)
	}
}
