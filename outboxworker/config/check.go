package config

// check.go tells what is wrong with values that could be read.

import (
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/outboxworker/outbox"
)

func (h *HTTP) check(p *problems) {
	if h.Address == "" {
		return
	}
	_, port, err := net.SplitHostPort(h.Address)
	if err != nil {
		p.at("http.address", "it is not host:port, as 127.0.0.1:9465 or :9465 for all addresses")
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		p.at("http.address", "the port %q is not a number from 0 to 65535", cut(port))
	}
}

// ZapLevel returns the level as zap has it: info if it is none that is known.
func (l *Log) ZapLevel() zapcore.Level {
	level, err := zapcore.ParseLevel(l.Level)
	if err != nil {
		return zapcore.InfoLevel
	}
	return level
}

func (l *Log) check(p *problems) {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level) {
		p.at("log.level", "%q is none of debug, info, warn and error", cut(l.Level))
	}
	if l.Format != "json" && l.Format != "console" {
		p.at("log.format", "%q is neither json nor console", cut(l.Format))
	}
}

// checkOutboxes checks every outbox by itself, and that they differ.
func (c *Config) checkOutboxes(p *problems) {
	if len(c.Outboxes) == 0 {
		p.at("outboxes", "there is none, and no consumers; write at least one, with a sink")
	}
	seen := make(map[string]int)
	for i := range c.Outboxes {
		key := fmt.Sprintf("outboxes[%d]", i)
		o := &c.Outboxes[i]
		o.check(p, key)
		if first, twice := seen[o.Schema]; twice {
			p.at(key+".schema", "outboxes[%d] has the schema %q too; an outbox has one sink, and another sink needs an outbox of its own",
				first, cut(o.Schema))
			continue
		}
		seen[o.Schema] = i
	}
}

// check checks an outbox, its sink, and that they fit together.
func (o *Outbox) check(p *problems, key string) {
	o.checkOwn(p, key)
	var fallback Outbox
	fallback.setDefaults()
	v := *o
	if !v.Retry.check(p, key+".retry") {
		v.Retry.Schedule = nil
	}
	sound := validated(p, key, v, fallback, func(o *Outbox) error {
		settings := o.settings()
		settings.Database = new(pgx.ConnConfig)
		return settings.Validate()
	})
	timeout := o.Sink.check(p, key+".sink")
	if limit := o.LaneTimeout - 2*o.BatchTime - 2*time.Second; sound && timeout > limit {
		p.at(key+".sink."+o.Sink.Kind()+".timeout", "%s is more than %s, which is lane_timeout less twice batch_time and two seconds: "+
			"a worker that waits longer loses its lane", timeout, limit)
	}
}

// validated notes all that is wrong with the settings that v is turned into, and
// tells whether there was nothing. Their own validation knows the limits, but names
// one problem at a time, as "key: problem" or "key and other: problem": what it
// names is replaced by what fallback has, which is sound, and it is asked again.
func validated[T any](p *problems, key string, v, fallback T, validate func(*T) error) bool {
	reported := make(map[string]bool)
	for {
		err := validate(&v)
		if err == nil {
			return len(reported) == 0
		}
		names, text, _ := strings.Cut(err.Error(), ": ")
		if reported[names] {
			return false
		}
		reported[names] = true
		for i, name := range strings.Split(names, " and ") {
			name, within := moved(name)
			if i == 0 {
				p.at(join(key, name)+within, "%s", text)
			}
			if field, ok := fieldOf(reflect.ValueOf(&v).Elem(), name); ok {
				sound, _ := fieldOf(reflect.ValueOf(&fallback).Elem(), name)
				field.Set(sound)
			}
		}
	}
}

// moved returns where the file has what a relay's settings have on their top.
func moved(name string) (key, within string) {
	if name == "retries" {
		return "retry", ".retries"
	}
	return name, ""
}

// checkOwn checks what the relay leaves unchecked.
func (o *Outbox) checkOwn(p *problems, key string) {
	if _, err := outbox.New(o.Schema); err != nil {
		p.at(key+".schema", "%v", err)
	}
	if o.StopTimeout <= 0 {
		p.at(key+".stop_timeout", "%s is not above 0", o.StopTimeout)
	}
	for i, topic := range o.Topics {
		if topic == "" {
			p.at(fmt.Sprintf("%s.topics[%d]", key, i), "it is empty; write the name of a topic")
		}
	}
	if len(o.Topics) > maxTopics {
		p.at(key+".topics", "these are %d, and metrics bear %d at most; the others are counted together", len(o.Topics), maxTopics)
	}
}

// maxTopics bounds the series of metrics.
const maxTopics = 100

// cut shortens a value for an error.
func cut(value string) string {
	if len(value) > 60 {
		return strings.ToValidUTF8(value[:60], "") + "..."
	}
	return value
}
