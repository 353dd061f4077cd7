package config

// outbox.go holds the settings of an outbox, and makes a relay's of them.

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/relay"
)

// Outbox is a schema with an outbox, and where its messages go. The defaults are
// those of relay.DefaultSettings.
type Outbox struct {
	// Schema is the schema of the outbox, and its name in logs and metrics.
	Schema string `yaml:"schema"`
	// Workers is how many lanes are worked on at once, each over a connection of
	// its own: 1 to 8.
	Workers int `yaml:"workers"`
	// BatchMessages, BatchBytes and BatchTime bound a batch: by its messages, by
	// their payloads and headers, and by how long it begins to send new ones.
	BatchMessages int           `yaml:"batch_messages"`
	BatchBytes    Size          `yaml:"batch_bytes"`
	BatchTime     time.Duration `yaml:"batch_time"`
	// LaneTimeout is when a worker that stopped or was cut off loses its lane.
	LaneTimeout time.Duration `yaml:"lane_timeout"`
	// PollMin and PollMax bound the time between two looks for new messages.
	PollMin time.Duration `yaml:"poll_min"`
	PollMax time.Duration `yaml:"poll_max"`
	// FullLook is how often a lane is read from its start.
	FullLook time.Duration `yaml:"full_look"`
	// Retry is how messages are tried again that were refused or that failed.
	Retry Retry `yaml:"retry"`
	// BreakerMessages is how many different messages have to fail in a row for the
	// receiver to be taken as failing: 2 to 100.
	BreakerMessages int `yaml:"breaker_messages"`
	// BreakerGiveUpAfter is for how long a message is tried in vain, while the receiver is
	// taken as failing, before its attempts count again. 0: for ever.
	BreakerGiveUpAfter time.Duration `yaml:"breaker_give_up_after"`
	// OnDead is what happens to the later messages of a dead one's key: continue
	// or hold.
	OnDead string `yaml:"on_dead"`
	// Outage is how long to wait between two tries while nobody answers or the
	// receiver fails.
	Outage Wait `yaml:"outage"`
	// KeepDelivered is for how long delivered messages are noted, without their
	// payloads: 1h to 168h. 0: not at all.
	KeepDelivered time.Duration `yaml:"keep_delivered"`
	// StopTimeout is how long a stop or a reload waits for batches under way.
	StopTimeout time.Duration `yaml:"stop_timeout"`
	// SynchronousCommit is the setting of the relay's own transactions: on or off.
	SynchronousCommit string `yaml:"synchronous_commit"`
	// Topics are the topics that metrics tell apart.
	Topics []string `yaml:"topics"`
	// Sink is where the messages go.
	Sink Sink `yaml:"sink"`
}

// Retry is how a message is tried again.
type Retry struct {
	// Base is the wait before the first retry. Each further one is twice as long,
	// up to Cap.
	Base time.Duration `yaml:"base"`
	Cap  time.Duration `yaml:"cap"`
	// Retries is how often a message is tried again before it is dead. 0: never.
	Retries int `yaml:"retries"`
	// Schedule has the waits before each retry, and stands for the three above.
	Schedule Schedule `yaml:"schedule"`
	// Timers are in Redis, if the configuration has one, and make retries come in time.
	// Without them what is due is looked for every poll_max. Default: true.
	Timers bool `yaml:"timers"`
	// Queue is the name of the timers in Redis: up to 200 letters, digits and _ . : -.
	// Two databases of one name on one Redis need two. Default: <database>.<schema>.
	Queue string `yaml:"queue"`
}

// Wait is a wait that doubles.
type Wait struct {
	// Base is the first wait. Each further one is twice as long, up to Cap.
	Base time.Duration `yaml:"base"`
	Cap  time.Duration `yaml:"cap"`
}

func (o *Outbox) setDefaults() {
	s := relay.DefaultSettings()
	*o = Outbox{
		Schema: s.Schema, Workers: s.Workers,
		BatchMessages: s.BatchMessages, BatchBytes: Size(s.BatchBytes), BatchTime: s.BatchTime,
		LaneTimeout: s.LaneTimeout, PollMin: s.PollMin, PollMax: s.PollMax, FullLook: s.FullLook,
		Retry:           Retry{Base: s.Retry.Base, Cap: s.Retry.Cap, Retries: s.Retries, Timers: true},
		BreakerMessages: s.BreakerMessages, BreakerGiveUpAfter: s.BreakerGiveUpAfter,
		OnDead: string(s.OnDead), Outage: Wait{Base: s.Outage.Base, Cap: s.Outage.Cap},
		KeepDelivered: s.KeepDelivered,
		StopTimeout:   s.StopTimeout, SynchronousCommit: s.SynchronousCommit, Topics: s.Topics,
	}
}

// Settings returns the settings of the outbox's relay.
func (o *Outbox) Settings(database *Database) (relay.Settings, error) {
	connect, err := database.ConnConfig()
	if err != nil {
		return relay.Settings{}, fmt.Errorf("reading database.url: %w", err)
	}
	listen, err := database.ListenConfig()
	if err != nil {
		return relay.Settings{}, fmt.Errorf("reading database.listen_url: %w", err)
	}
	s := o.settings()
	s.Database, s.Listen = connect, listen
	return s, nil
}

// settings are the settings without the database.
func (o *Outbox) settings() relay.Settings {
	retry, retries := o.Retry.schedule()
	return relay.Settings{
		Schema: o.Schema, Workers: o.Workers,
		BatchMessages: o.BatchMessages, BatchBytes: int(o.BatchBytes), BatchTime: o.BatchTime,
		LaneTimeout: o.LaneTimeout, PollMin: o.PollMin, PollMax: o.PollMax, FullLook: o.FullLook,
		Retry: retry, Retries: retries, BreakerMessages: o.BreakerMessages, BreakerGiveUpAfter: o.BreakerGiveUpAfter,
		OnDead: relay.OnDead(o.OnDead), Outage: backoff.Policy{Base: o.Outage.Base, Cap: o.Outage.Cap},
		KeepDelivered: o.KeepDelivered,
		StopTimeout:   o.StopTimeout, SynchronousCommit: o.SynchronousCommit, Topics: o.Topics,
	}
}
