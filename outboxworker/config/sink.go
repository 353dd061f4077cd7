package config

// sink.go holds where an outbox's messages go.

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/null"
	"github.com/weirproxy/weir/outboxworker/sink/stdout"
)

// Sink is where messages go: exactly one of its keys is there.
type Sink struct {
	// RedisStream appends them to Redis Streams.
	RedisStream *RedisStream `yaml:"redis_stream"`
	// Webhook sends each by HTTP.
	Webhook *Webhook `yaml:"webhook"`
	// Stdout writes each as a line of JSON to standard output.
	Stdout *Stdout `yaml:"stdout"`
	// Discard takes them and does nothing. (Its package is called null, which as a
	// key of YAML would be no text.)
	Discard *Discard `yaml:"discard"`
}

// Stdout has no settings.
type Stdout struct{}

// Discard has no settings.
type Discard struct{}

// kind is one kind of sink.
type kind interface {
	// check notes what is wrong, and returns how long one call may take.
	check(p *problems, key string) time.Duration
	// open makes the sink. It connects to nothing.
	open() (sink.Sink, error)
}

func (*Stdout) check(*problems, string) time.Duration { return 0 }
func (*Stdout) open() (sink.Sink, error)              { return stdout.New(stdout.DefaultSettings()) }

func (*Discard) check(*problems, string) time.Duration { return 0 }
func (*Discard) open() (sink.Sink, error)              { return null.New(), nil }

// chosen returns the kinds that are there, by their keys.
func (s *Sink) chosen() (kinds []kind, keys []string) {
	v := reflect.ValueOf(s).Elem()
	for i, key := range keysOf(v.Type()) {
		if k, ok := v.Field(i).Interface().(kind); ok && !v.Field(i).IsNil() {
			kinds, keys = append(kinds, k), append(keys, key)
		}
	}
	return kinds, keys
}

// Kind returns the key of the sink that is chosen, as redis_stream.
func (s *Sink) Kind() string {
	_, keys := s.chosen()
	return strings.Join(keys, " and ")
}

// Open makes the sink. It connects to nothing before the first delivery.
func (s *Sink) Open() (sink.Sink, error) {
	kinds, keys := s.chosen()
	if len(kinds) != 1 {
		return nil, fmt.Errorf("opening a sink: there are %d, want one", len(kinds))
	}
	opened, err := kinds[0].open()
	if err != nil {
		return nil, fmt.Errorf("opening sink %s: %w", keys[0], err)
	}
	return opened, nil
}

// check checks the sink, and returns how long one call of it may take.
func (s *Sink) check(p *problems, key string) time.Duration {
	kinds, keys := s.chosen()
	all := strings.Join(keysOf(reflect.TypeFor[Sink]()), ", ")
	switch len(kinds) {
	case 0:
		p.at(key, "there is none; write one of %s", all)
		return 0
	case 1:
		return kinds[0].check(p, key+"."+keys[0])
	default:
		p.at(key, "these are several, %s; an outbox has one sink, and another sink needs an outbox of its own", strings.Join(keys, " and "))
		return 0
	}
}
