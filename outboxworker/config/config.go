// Package config reads the worker's configuration: a YAML file, in which every key
// must be known, environment variables, which override it, and files with secrets.
// It reports everything that is wrong at once, each with its key, its line and a way
// to mend it, and turns what is right into the settings of relays and their sinks.
//
// The package depends on go.yaml.in/yaml for the tree of the file, on pgx to read the
// database's URL, on go-redis to make clients, and on zap for the levels of the log.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Config is the configuration of a worker.
type Config struct {
	// Database is where the outboxes are.
	Database Database `yaml:"database"`
	// HTTP is the worker's own server: metrics, health and readiness.
	HTTP HTTP `yaml:"http"`
	// Log is how the worker logs, to standard error.
	Log Log `yaml:"log"`
	// Redis is where retries have their timers, and where consumers have their streams.
	// Default: there is none, and what is due is found by looking for it every poll_max.
	Redis *Redis `yaml:"redis"`
	// Outboxes are what the worker delivers: one at least, unless there are consumers,
	// each in a schema of its own and to one sink.
	Outboxes []Outbox `yaml:"outboxes"`
	// Consumers are groups that read streams, and post what is in them.
	Consumers []Consumer `yaml:"consumers"`
}

// HTTP are the settings of the worker's own server.
type HTTP struct {
	// Address is where it listens, host:port. Empty: it does not. Default:
	// 127.0.0.1:9465.
	Address string `yaml:"address"`
}

// Log are the settings of the log.
type Log struct {
	// Level is the least severe level that is logged: debug, info, warn or error.
	// Default: info.
	Level string `yaml:"level"`
	// Format is json or console. Default: json.
	Format string `yaml:"format"`
}

func (h *HTTP) setDefaults() { h.Address = "127.0.0.1:9465" }

func (l *Log) setDefaults() { *l = Log{Level: "info", Format: "json"} }

// maxFile is the most bytes of a configuration; more is another file.
const maxFile = 1 << 20

// Load reads and checks the configuration in the named file, overridden by environ,
// which has the form of os.Environ. Without a name the environment is all there is.
// If the configuration cannot be used, the error is an *InvalidError.
func Load(file string, environ []string) (*Config, error) {
	c, p, err := read(file, environ)
	if err != nil {
		return nil, err
	}
	if c.needsDatabase() {
		c.Database.check(p)
		c.checkOutboxes(p)
	}
	c.HTTP.check(p)
	c.Log.check(p)
	c.Redis.check(p, "redis")
	c.checkConsumers(p)
	c.checkQueues(p)
	if err := p.err(file); err != nil {
		return nil, err
	}
	return c, nil
}

// needsDatabase tells whether there is more to do than to consume.
func (c *Config) needsDatabase() bool { return len(c.Outboxes) > 0 || len(c.Consumers) == 0 }

// LoadDatabase is Load for commands that only need the database and the names of
// the schemas: it checks nothing else, and reads no secret of a sink. Everything
// must be a known key of the right kind nevertheless.
func LoadDatabase(file string, environ []string) (*Config, error) {
	return loadPart(file, environ, func(c *Config, p *problems) { c.Database.check(p) })
}

// LoadRedis is Load for commands that only need the Redis, which must be set, and the
// names and streams of consumers, as LoadDatabase is for others.
func LoadRedis(file string, environ []string) (*Config, error) {
	return loadPart(file, environ, func(c *Config, p *problems) {
		if c.Redis == nil {
			p.at("redis", "not set, and consumers have their streams there; write its url")
		}
		c.Redis.check(p, "redis")
	})
}

func loadPart(file string, environ []string, check func(*Config, *problems)) (*Config, error) {
	c, p, err := read(file, environ)
	if err != nil {
		return nil, err
	}
	check(c, p)
	if err := p.err(file); err != nil {
		return nil, err
	}
	return c, nil
}

// read decodes file and environment. The problems hold what is wrong so far.
func read(file string, environ []string) (*Config, *problems, error) {
	p := &problems{origins: make(map[string]origin), unread: make(map[string]bool)}
	d := &decoder{problems: p, variables: make(map[*yaml.Node]string)}
	root, err := d.parse(file)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range d.environment(environ) {
		d.merge(root, v)
	}
	c := new(Config)
	c.HTTP.setDefaults()
	c.Log.setDefaults()
	d.value("", root, reflect.ValueOf(c).Elem())
	delete(p.origins, "")
	return c, p, nil
}

// parse returns the tree of a file, or an empty one if there is no file.
func (d *decoder) parse(file string) (*yaml.Node, error) {
	empty := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if file == "" {
		return empty, nil
	}
	content, err := readLimited(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	err = decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return empty, nil
	}
	if err == nil {
		if more := decoder.Decode(&second); more == nil {
			err = errors.New("yaml: a second document begins here, after ---; put everything into one")
		} else if !errors.Is(more, io.EOF) {
			err = more
		}
	}
	if err != nil {
		return nil, &InvalidError{File: file, Problems: []Problem{syntaxProblem(err)}}
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return empty, nil
	}
	return root, nil
}

// syntaxProblem makes a problem of an error of the YAML library.
func syntaxProblem(err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(text, "unknown anchor") {
		// The name could be a secret that begins with *.
		text = "a value begins with * and refers to an anchor that is not there; put it in quotes if it is plain text"
	}
	return Problem{Text: text}
}

func readLimited(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s is larger than 1 MiB", file)
	}
	return content, err
}
