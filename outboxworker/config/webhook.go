package config

// webhook.go holds the settings of the sink for webhooks.

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
	"github.com/weirproxy/weir/outboxworker/sink/webhook"
)

// Webhook posts messages to a URL. The defaults are those of webhook.DefaultSettings.
type Webhook struct {
	// URL is where messages are posted; {topic} in its path stands for the
	// message's topic. No default.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file"`
	// Secret signs requests after Standard Webhooks, and so does OldSecret while
	// receivers change from one to the other: whsec_ and 24 to 64 bytes in base64.
	// Default: no signature.
	Secret        Secret `yaml:"secret"`
	SecretFile    string `yaml:"secret_file"`
	OldSecret     Secret `yaml:"old_secret"`
	OldSecretFile string `yaml:"old_secret_file"`
	// Authorization is the value of the header Authorization. Default: none.
	Authorization     Secret `yaml:"authorization"`
	AuthorizationFile string `yaml:"authorization_file"`
	// Headers are added to each request.
	Headers map[string]Secret `yaml:"headers"`
	// Source is the ce-source of each request.
	Source string `yaml:"source"`
	// Concurrency is the most requests at once.
	Concurrency int `yaml:"concurrency"`
	// Timeout bounds a request, and IdleTimeout is how long an unused connection is
	// kept.
	Timeout     time.Duration `yaml:"timeout"`
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// FatalStatus are statuses after which a message is dead at once.
	FatalStatus []int `yaml:"fatal_status"`
	// Proxy is the URL of a proxy. Default: none.
	Proxy     Secret `yaml:"proxy"`
	ProxyFile string `yaml:"proxy_file"`
	// TLS is for https.
	TLS *TLS `yaml:"tls"`
}

func (w *Webhook) setDefaults() {
	s := webhook.DefaultSettings()
	*w = Webhook{Source: s.Source, Concurrency: s.Concurrency, Timeout: s.Timeout, IdleTimeout: s.IdleTimeout, FatalStatus: s.FatalStatus}
}

func (w *Webhook) check(p *problems, key string) time.Duration {
	before := len(p.found)
	for _, s := range []struct {
		name  string
		value *Secret
		file  string
	}{
		{"url", &w.URL, w.URLFile},
		{"secret", &w.Secret, w.SecretFile},
		{"old_secret", &w.OldSecret, w.OldSecretFile},
		{"authorization", &w.Authorization, w.AuthorizationFile},
		{"proxy", &w.Proxy, w.ProxyFile},
	} {
		p.secret(key+"."+s.name, s.value, s.file)
	}
	w.TLS.check(p, key+".tls")
	var fallback Webhook
	fallback.setDefaults()
	fallback.URL = "http://localhost"
	v := *w
	if !p.required(key+".url", w.URL, w.URLFile) || len(p.found) > before {
		// What could not be read must not be reported a second time.
		v.URL, v.Proxy, v.TLS = fallback.URL, "", nil
	}
	w.checkSecrets(p, key, fallback)
	v.Secret, v.OldSecret = "", ""
	if w.checkAuthorization(p, key) {
		v.Authorization = ""
	}
	validated(p, key, v, fallback, func(w *Webhook) error {
		settings, err := w.settings()
		if err != nil {
			return err
		}
		return settings.Validate()
	})
	return w.Timeout
}

// checkSecrets checks each secret by itself: the sink only knows that one is wrong.
func (w *Webhook) checkSecrets(p *problems, key string, sound Webhook) {
	for _, s := range []struct {
		name   string
		secret Secret
	}{{"secret", w.Secret}, {"old_secret", w.OldSecret}} {
		if s.secret == "" {
			continue
		}
		sound.Secret = s.secret
		settings, err := sound.settings()
		if err == nil {
			err = settings.Validate()
		}
		if err != nil {
			p.at(key+"."+s.name, "%s", strings.TrimPrefix(err.Error(), "secrets: "))
		}
	}
	if w.OldSecret != "" && w.Secret == "" && w.SecretFile == "" {
		p.at(key+".old_secret", "there is no secret beside it; write it as secret")
	}
}

// checkAuthorization tells whether the header is set twice.
func (w *Webhook) checkAuthorization(p *problems, key string) bool {
	if w.Authorization == "" {
		return false
	}
	for name := range w.Headers {
		if http.CanonicalHeaderKey(name) == "Authorization" {
			p.at(key+".headers."+name, "authorization is set too; set one of them")
			return true
		}
	}
	return false
}

func (w *Webhook) open() (sink.Sink, error) {
	settings, err := w.settings()
	if err != nil {
		return nil, err
	}
	return webhook.New(settings)
}

// settings returns the sink's own settings.
func (w *Webhook) settings() (webhook.Settings, error) {
	s := webhook.DefaultSettings()
	s.URL, s.Proxy, s.Source = w.URL.Reveal(), w.Proxy.Reveal(), w.Source
	s.Concurrency, s.Timeout, s.IdleTimeout = w.Concurrency, w.Timeout, w.IdleTimeout
	s.FatalStatus = slices.Clone(w.FatalStatus)
	for _, secret := range []Secret{w.Secret, w.OldSecret} {
		if secret != "" {
			s.Secrets = append(s.Secrets, secret.Reveal())
		}
	}
	s.Headers = make(map[string]string)
	for name, value := range w.Headers {
		s.Headers[name] = value.Reveal()
	}
	if w.Authorization != "" {
		s.Headers["Authorization"] = w.Authorization.Reveal()
	}
	var err error
	s.TLS, err = w.TLS.Config()
	return s, err
}
