package config

// redisstream.go holds the settings of the sink for Redis Streams.

import (
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/redisstream"
)

// RedisStream appends messages to Redis Streams. The defaults are those of
// redisstream.DefaultSettings.
type RedisStream struct {
	// URL is where Redis is: redis://user@host:6379/0, or rediss:// for TLS. Required,
	// but not with Sentinel, where its user and database count, and rediss:// holds for
	// the Sentinels too, but its host does not.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file"`
	// Password is the password, so that the URL need not be secret. It goes before
	// one in the URL.
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	// TLS is for rediss://.
	TLS *TLS `yaml:"tls"`
	// Sentinel tells which server is the master. Default: the URL's host is.
	Sentinel *Sentinel `yaml:"sentinel"`
	// Stream is the name of the stream, in which {topic} stands for the message's
	// topic.
	Stream string `yaml:"stream"`
	// Lanes makes eight streams of each, one a lane.
	Lanes bool `yaml:"lanes"`
	// MaxLen is about how many entries a stream keeps. 0: all.
	MaxLen int64 `yaml:"max_len"`
	// ChunkMessages is the most messages of one call.
	ChunkMessages int `yaml:"chunk_messages"`
	// DialTimeout bounds connecting, and Timeout a call with it.
	DialTimeout time.Duration `yaml:"dial_timeout"`
	Timeout     time.Duration `yaml:"timeout"`
}

func (r *RedisStream) setDefaults() {
	s := redisstream.DefaultSettings()
	*r = RedisStream{
		Stream: s.Stream, Lanes: s.Lanes, MaxLen: s.MaxLen, ChunkMessages: s.ChunkMessages,
		DialTimeout: s.DialTimeout, Timeout: s.Timeout,
	}
}

func (r *RedisStream) check(p *problems, key string) time.Duration {
	before := len(p.found)
	p.secret(key+".url", &r.URL, r.URLFile)
	p.secret(key+".password", &r.Password, r.PasswordFile)
	r.TLS.check(p, key+".tls")
	r.Sentinel.check(p, key+".sentinel")
	var fallback RedisStream
	fallback.setDefaults()
	fallback.URL = "redis://localhost"
	v := *r
	if r.Sentinel == nil && !p.required(key+".url", r.URL, r.URLFile) || len(p.found) > before {
		// What could not be read must not be reported a second time.
		v.URL, v.Password, v.TLS, v.Sentinel = fallback.URL, "", nil, nil
	}
	validated(p, key, v, fallback, func(r *RedisStream) error {
		settings, err := r.settings()
		if err != nil {
			return err
		}
		return settings.Validate()
	})
	return r.Timeout
}

func (r *RedisStream) open() (sink.Sink, error) {
	settings, err := r.settings()
	if err != nil {
		return nil, err
	}
	return redisstream.New(settings)
}

// settings returns the sink's own settings.
func (r *RedisStream) settings() (redisstream.Settings, error) {
	s := redisstream.DefaultSettings()
	s.Stream, s.Lanes, s.MaxLen, s.ChunkMessages = r.Stream, r.Lanes, r.MaxLen, r.ChunkMessages
	s.DialTimeout, s.Timeout = r.DialTimeout, r.Timeout
	s.URL, s.Password = r.URL.Reveal(), r.Password.Reveal()
	s.Sentinel = (*redisstream.Sentinel)(r.Sentinel.plain())
	var err error
	s.TLS, err = r.TLS.Config()
	return s, err
}
