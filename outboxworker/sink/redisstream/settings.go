package redisstream

// settings.go holds what the sink can be told, and its defaults.

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// placeholder stands for a message's topic in the name of a stream.
const placeholder = "{topic}"

// Settings are what the sink can be told. Zero values are not defaults: begin with
// DefaultSettings.
type Settings struct {
	// URL is where Redis is: redis://user:password@host:port/database, rediss:// for
	// TLS, or unix://user:password@/path/to/socket. A query is refused, as all that
	// it could say is a setting. No default.
	URL string
	// TLS is for rediss://, for instance with a private certificate authority.
	// Default: nil, which means the certificate authorities of the system, and
	// TLS 1.2 or later.
	TLS *tls.Config
	// Stream is the name of the stream. {topic} in it stands for the message's topic;
	// without, all messages go to one stream. Default: events:{topic}.
	Stream string
	// Lanes makes eight streams of each: the stream's name is followed by :{0} to :{7},
	// the message's lane. Neither the name nor a topic may then have a brace.
	// Default: false.
	Lanes bool
	// MaxLen is about how many entries a stream keeps; Redis drops the oldest. What a
	// consumer has not read by then it never gets. Default: 0, which drops nothing.
	MaxLen int64
	// ChunkMessages is the most messages of one call of the script, during which Redis
	// does nothing else: about 4 microseconds for each. 1 to 5000. Default: 500.
	ChunkMessages int
	// DialTimeout bounds connecting. Default: 2s.
	DialTimeout time.Duration
	// Timeout bounds a call of the script, connecting included, and so how much longer
	// than Batch.Until a delivery may take, and how soon it ends when its context is
	// done. Default: 3s.
	Timeout time.Duration
}

// DefaultSettings are the defaults.
func DefaultSettings() Settings {
	return Settings{
		Stream:        "events:" + placeholder,
		ChunkMessages: 500,
		DialTimeout:   2 * time.Second,
		Timeout:       3 * time.Second,
	}
}

// Validate tells what is wrong with the settings. Its errors never contain the URL,
// since a password may be in it.
func (s *Settings) Validate() error {
	_, err := s.options()
	switch {
	case err != nil:
		return err
	case s.Stream == "":
		return errors.New("stream: not set")
	case s.Lanes && hasBrace(strings.ReplaceAll(s.Stream, placeholder, "")):
		return errors.New("stream: has a brace beside those of {topic}, which with lanes it must not")
	case s.MaxLen < 0:
		return fmt.Errorf("max_len: %d is negative", s.MaxLen)
	case s.ChunkMessages < 1 || s.ChunkMessages > 5000:
		return fmt.Errorf("chunk_messages: %d is not between 1 and 5000", s.ChunkMessages)
	case s.DialTimeout <= 0:
		return fmt.Errorf("dial_timeout: %s is not above 0", s.DialTimeout)
	case s.Timeout < s.DialTimeout:
		return fmt.Errorf("timeout: %s is less than dial_timeout, %s, which is a part of it", s.Timeout, s.DialTimeout)
	}
	return nil
}

// options are what the client is given.
func (s *Settings) options() (*redis.Options, error) {
	if s.URL == "" {
		return nil, errors.New("url: not set")
	}
	parsed, err := url.Parse(s.URL)
	if err != nil {
		// The error of url.Parse repeats the URL; its cause may repeat a part.
		return nil, errors.New("url: not a URL")
	}
	if parsed.RawQuery != "" || parsed.ForceQuery {
		return nil, errors.New("url: must not have a query")
	}
	options, err := redis.ParseURL(s.URL)
	if err != nil {
		return nil, errors.New("url: neither redis://user:password@host:port/database nor rediss:// nor unix:// followed by a path")
	}
	if options.TLSConfig != nil && s.TLS != nil {
		name := options.TLSConfig.ServerName
		options.TLSConfig = s.TLS.Clone()
		if options.TLSConfig.ServerName == "" {
			options.TLSConfig.ServerName = name
		}
	} else if s.TLS != nil {
		return nil, errors.New("tls: set, but the url does not begin with rediss://")
	}

	// The client must not repeat a script by itself: what it appends twice nobody
	// counts. Tries of the relay it must not add to either.
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.DialTimeout = s.DialTimeout
	options.ReadTimeout = s.Timeout
	options.WriteTimeout = s.Timeout
	options.ContextTimeoutEnabled = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return options, nil
}

// naming is what the names of streams depend on.
func (s *Settings) naming() naming {
	return naming{topic: strings.Contains(s.Stream, placeholder), lane: s.Lanes}
}

// stream is the name of a stream.
func (s *Settings) stream(to target) string {
	name := strings.ReplaceAll(s.Stream, placeholder, to.topic)
	if s.Lanes {
		name += ":{" + strconv.Itoa(to.lane) + "}"
	}
	return name
}
