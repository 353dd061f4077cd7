package redisstream

// settings.go holds what the sink can be told, and its defaults.

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/internal/redisclient"
)

// placeholder stands for a message's topic in the name of a stream.
const placeholder = "{topic}"

// Settings are what the sink can be told. Zero values are not defaults: begin with
// DefaultSettings.
type Settings struct {
	// URL is where Redis is: redis://user:password@host:port/database, rediss:// for
	// TLS, or unix://user:password@/path/to/socket. A query is refused, as all that
	// it could say is a setting. No default; with Sentinel it may be empty, and its user
	// and database count, and rediss:// holds for the Sentinels too, but its host does
	// not.
	URL string
	// Password goes before one in the URL. Default: the URL's.
	Password string
	// TLS is for rediss://, for instance with a private certificate authority.
	// Default: nil, which means the certificate authorities of the system, and
	// TLS 1.2 or later.
	TLS *tls.Config
	// Sentinel tells which server is the master. Default: nil, the URL's host is.
	Sentinel *Sentinel
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

// Sentinel are the Sentinels that watch a master and its replicas.
type Sentinel struct {
	// Master is the name that they know it by. No default.
	Master string
	// Addresses are host:port of Sentinels; one that answers knows the others. No
	// default.
	Addresses []string
	// User and Password are what the Sentinels themselves ask for. Default: nothing.
	User, Password string
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
	client := s.client()
	if err := client.Validate(); err != nil {
		return err
	}
	switch {
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

// client are the client's options. The client must not repeat a script by itself: what it
// appends twice nobody counts. Tries of the relay it must not add to either.
func (s *Settings) client() redisclient.Options {
	return redisclient.Options{
		URL: s.URL, Password: s.Password, TLS: s.TLS, Sentinel: (*redisclient.Sentinel)(s.Sentinel),
		DialTimeout: s.DialTimeout, Timeout: s.Timeout,
	}
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
