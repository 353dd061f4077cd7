package config

// tls.go holds the certificates that a sink trusts and shows.

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS are certificates. Files are in PEM format. TLS 1.2 is the oldest version.
type TLS struct {
	// CAFile has the certificate authorities that are trusted instead of the
	// system's.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are the client's certificate, with its chain, and its
	// key. Default: no certificate is shown.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ServerName is the name that the server's certificate must have. Default: the
	// URL's host.
	ServerName string `yaml:"server_name"`

	// What the files had in them, so that a reload sees when a certificate was
	// renewed.
	ca, cert, key []byte
}

// check reads the files.
func (t *TLS) check(p *problems, key string) {
	if t == nil {
		return
	}
	before := len(p.found)
	if (t.CertFile == "") != (t.KeyFile == "") {
		p.at(key, "cert_file and key_file belong together; write both or neither")
	}
	for _, file := range []struct {
		name, path string
		content    *[]byte
	}{{"ca_file", t.CAFile, &t.ca}, {"cert_file", t.CertFile, &t.cert}, {"key_file", t.KeyFile, &t.key}} {
		if file.path == "" {
			continue
		}
		content, err := os.ReadFile(file.path)
		if err != nil {
			p.at(key+"."+file.name, "reading the file: %v", err)
		}
		*file.content = content
	}
	if len(p.found) == before {
		if _, err := t.Config(); err != nil {
			p.at(key, "%v", err)
		}
	}
}

// Config returns the settings as crypto/tls has them, or nil if t is nil.
func (t *TLS) Config() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.ca != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.ca) {
			return nil, errors.New("reading ca_file: there is no certificate in it")
		}
	}
	if t.cert != nil {
		pair, err := tls.X509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, fmt.Errorf("reading cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
