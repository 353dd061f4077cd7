package consul

// settings.go holds how Consul is reached, and makes the client.

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/caddyserver/caddy/v2"
)

const (
	// defaultAddress is that of an agent on the same machine.
	defaultAddress = "127.0.0.1:8500"
	// idleFor is how long a connection is kept that nothing is asked on.
	idleFor = 15 * time.Second
)

// Settings tell how Consul is reached.
type Settings struct {
	// Address is that of an agent or a server: host:port, http://host:port,
	// https://host:port or unix:///path. Default: CONSUL_HTTP_ADDR, else 127.0.0.1:8500.
	Address string `json:"address,omitempty"`
	// Token is sent with every request. Placeholders such as {env.CONSUL_HTTP_TOKEN} are
	// replaced when the configuration is loaded; it is an error if one has no value.
	// Default: CONSUL_HTTP_TOKEN, else none.
	Token string `json:"token,omitempty"`
	// TokenFile is a file with the token, read when the configuration is loaded, in place
	// of Token. Default: CONSUL_HTTP_TOKEN_FILE, else none.
	TokenFile string `json:"token_file,omitempty"`
	// Datacenter is the one that is asked. Default: that of the agent.
	Datacenter string `json:"datacenter,omitempty"`
	// Namespace and Partition exist in Consul Enterprise. Default: CONSUL_NAMESPACE and
	// CONSUL_PARTITION, else those of the token.
	Namespace string `json:"namespace,omitempty"`
	Partition string `json:"partition,omitempty"`
	// TLS is for addresses that begin with https://.
	TLS *TLS `json:"tls,omitempty"`
}

// TLS names files in PEM format, read when the configuration is loaded, and a host.
type TLS struct {
	// CA holds the authorities that Consul's certificate may be from. Default:
	// CONSUL_CACERT and CONSUL_CAPATH, else those of the system.
	CA string `json:"ca,omitempty"`
	// Cert and Key are the client's own; both or none. Default: CONSUL_CLIENT_CERT and
	// CONSUL_CLIENT_KEY, else none.
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`
	// ServerName is the name that Consul's certificate must have. Default:
	// CONSUL_TLS_SERVER_NAME, else the host of the address.
	ServerName string `json:"server_name,omitempty"`
}

// Validate says what makes no sense. Its errors begin with the option's name, and have
// no token in them.
func (s Settings) Validate() error {
	tls := s.tls()
	if s.Address != "" {
		if err := validAddress(s.Address); err != nil {
			return err
		}
	}
	for _, text := range [...]struct{ name, value string }{
		{"token_file", s.TokenFile}, {"datacenter", s.Datacenter}, {"namespace", s.Namespace}, {"partition", s.Partition},
		{"tls_ca", tls.CA}, {"tls_cert", tls.Cert}, {"tls_key", tls.Key}, {"tls_server_name", tls.ServerName},
	} {
		if strings.ContainsAny(text.value, "{}\n") {
			return fmt.Errorf("%s %q: no placeholders are replaced here; {$NAME} takes a value from the environment", text.name, text.value)
		}
	}
	switch {
	case s.Token != "" && s.TokenFile != "":
		return errors.New("token and token_file exclude each other: choose one")
	case (tls.Cert == "") != (tls.Key == ""):
		return errors.New("tls_cert and tls_key belong together: give both or none")
	case tls != TLS{} && s.Address != "" && !strings.HasPrefix(s.Address, "https://"):
		return fmt.Errorf("tls_ca and the like are for an address that begins with https://, not for %s", s.Address)
	}
	return nil
}

func (s Settings) tls() TLS {
	if s.TLS == nil {
		return TLS{}
	}
	return *s.TLS
}

// validAddress does not show the address: somebody may have put a password in it.
func validAddress(address string) error {
	scheme, rest, found := strings.Cut(address, "://")
	switch {
	case !found:
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || !validPort(port) || strings.ContainsAny(host, "{}/@") {
			return errors.New("address is neither host:port nor begins with http://, https:// or unix://")
		}
		return nil
	case scheme == "unix":
		if !strings.HasPrefix(rest, "/") {
			return errors.New("address begins with unix://, which takes an absolute path: unix:///run/consul.sock")
		}
		return nil
	case scheme != "http" && scheme != "https":
		return errors.New("address begins with another scheme than http://, https:// and unix://")
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Port() != "" && !validPort(u.Port()) {
		return fmt.Errorf("address is not of the form %s://host:port", scheme)
	}
	return nil
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// connect makes the client, which asks nothing yet, and a hash of all that it was made
// from, tokens and files included. What is not set comes from the environment.
func (s Settings) connect() (*api.Client, string, error) {
	if err := s.Validate(); err != nil {
		return nil, "", err
	}
	config, err := s.config()
	if err != nil {
		return nil, "", err
	}
	identity := identityOf(config)
	client, err := api.NewClient(config)
	if err != nil {
		return nil, "", fmt.Errorf("making the client of Consul: %w", err)
	}
	config.HttpClient.Transport = limited{config.HttpClient.Transport, mostAnswer}
	return client, identity, nil
}

func (s Settings) config() (*api.Config, error) {
	for _, name := range [...]string{api.HTTPSSLEnvName, api.HTTPSSLVerifyEnvName} {
		// the client would go on without TLS
		if value := os.Getenv(name); value != "" {
			if _, err := strconv.ParseBool(value); err != nil {
				return nil, fmt.Errorf("the environment's %s is %q and neither true nor false", name, value)
			}
		}
	}
	c := api.DefaultConfig()
	// Over HTTP/2 a connection that died without a word would be used until the kernel gives
	// it up, a quarter of an hour later: a request that is not answered in time ends a
	// connection only where it has that for itself.
	c.Transport.Protocols = new(http.Protocols)
	c.Transport.Protocols.SetHTTP1(true)
	// each reload that changes a lease or a watch leaves one behind, and Consul takes 200 of
	// one machine
	c.Transport.IdleConnTimeout = idleFor
	if s.Address == "" && os.Getenv(api.HTTPAddrEnvName) == "" {
		c.Address = defaultAddress
	}
	c.Address = cmp.Or(s.Address, c.Address)
	if err := validAddress(c.Address); err != nil {
		return nil, fmt.Errorf("the environment's %s: %w", api.HTTPAddrEnvName, err)
	}
	if !strings.HasPrefix(c.Address, "unix://") {
		c.Address = strings.TrimRight(c.Address, "/") // else the client asks for //v1/..., which Consul does not know
	}
	switch {
	case strings.HasPrefix(s.Address, "http://"):
		c.Scheme = "http"
	case strings.HasPrefix(c.Address, "https://"):
		c.Scheme = "https"
	}
	tls := s.tls()
	if c.Scheme != "https" && tls != (TLS{}) {
		return nil, errors.New("tls_ca and the like are for an address that begins with https://")
	}
	c.Datacenter = s.Datacenter
	c.Namespace = cmp.Or(s.Namespace, c.Namespace)
	c.Partition = cmp.Or(s.Partition, c.Partition)
	c.TLSConfig.CAFile = cmp.Or(tls.CA, c.TLSConfig.CAFile)
	c.TLSConfig.Address = cmp.Or(tls.ServerName, c.TLSConfig.Address)
	if tls.Cert != "" {
		c.TLSConfig.CertFile, c.TLSConfig.KeyFile = tls.Cert, tls.Key
	}
	return c, s.authorize(c)
}

// authorize gives the configuration of a client its token.
func (s Settings) authorize(c *api.Config) error {
	switch {
	case s.TokenFile != "":
		token, err := os.ReadFile(s.TokenFile)
		if err != nil {
			return fmt.Errorf("token_file: %w", err)
		}
		if c.Token = strings.TrimSpace(string(token)); c.Token == "" {
			return fmt.Errorf("token_file %s is empty", s.TokenFile)
		}
		c.TokenFile = ""
	case s.Token != "":
		token, err := caddy.NewReplacer().ReplaceOrErr(s.Token, true, true)
		if err != nil || strings.TrimSpace(token) == "" {
			// without the text, which may be the token after all
			return errors.New("token: a placeholder in it is unknown or has no value; set the variable of the environment that it names, or leave the option out")
		}
		c.Token, c.TokenFile = token, ""
	}
	return nil
}

// identityOf hashes what the settings come to.
func identityOf(c *api.Config) string {
	hash := sha256.New()
	var auth api.HttpBasicAuth
	if c.HttpAuth != nil {
		auth = *c.HttpAuth
	}
	fmt.Fprintf(hash, "%q %q %q %q %q %q %q %q %+v", c.Address, c.Scheme, c.Datacenter, c.Namespace, c.Partition, c.Token,
		auth.Username, auth.Password, c.TLSConfig)
	for _, file := range [...]string{c.TokenFile, c.TLSConfig.CAFile, c.TLSConfig.CertFile, c.TLSConfig.KeyFile} {
		content, err := os.ReadFile(file)
		fmt.Fprintf(hash, " %q %t", content, err == nil)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}
