package doctor

// webhook.go looks at the receiver of a webhook without sending it a message.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
)

// Webhook is the receiver of a webhook.
type Webhook struct {
	// URL is where messages are posted, Proxy the URL of a proxy, or empty.
	URL, Proxy string
	// TLS is for https; nil means the system's certificate authorities.
	TLS *tls.Config
	// Signed tells that requests carry a signature.
	Signed bool
}

// Check tries whether somebody listens, and for https whether the certificate is
// trusted. Nothing is sent. Behind a proxy only the proxy can be tried. No error holds
// more of a URL than its host and port.
func (w *Webhook) Check(ctx context.Context) (warnings []string, err error) {
	address := w.URL
	if w.Proxy != "" {
		address = w.Proxy
	}
	target, err := url.Parse(address)
	if err != nil {
		// The cause would repeat the URL.
		return nil, errors.New("reading the URL: it is none")
	}
	port := target.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080"}[target.Scheme]
	}
	if port == "" {
		port = "80"
	}
	if err := w.dial(ctx, net.JoinHostPort(target.Hostname(), port), target.Scheme == "https" && w.Proxy == ""); err != nil {
		return nil, err
	}
	if receiver, err := url.Parse(w.URL); err == nil && receiver.Scheme == "http" && !private(receiver.Hostname()) {
		warnings = append(warnings, "the url begins with http: messages can be read and changed on their way; use https.")
	}
	if !w.Signed {
		warnings = append(warnings, "there is no secret: the receiver cannot tell who sent a request; set secret.")
	}
	return warnings, nil
}

func (w *Webhook) dial(ctx context.Context, address string, secure bool) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if !secure {
		return nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if w.TLS != nil {
		settings = w.TLS.Clone()
	}
	if settings.ServerName == "" {
		settings.ServerName, _, _ = net.SplitHostPort(address)
	}
	if err := tls.Client(conn, settings).HandshakeContext(ctx); err != nil {
		return fmt.Errorf("securing the connection: %w", err)
	}
	return nil
}

// private tells whether a host is in a network that is not everybody's.
func private(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsPrivate())
}
