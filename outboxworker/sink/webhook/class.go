package webhook

// class.go names the kinds of errors of a request that was not answered.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
)

const (
	classTimeout    = "timeout"
	classRefused    = "connection refused"
	classReset      = "connection reset"
	classDNS        = "dns"
	classTLS        = "tls"
	classNotHTTP    = "not http"
	classConnection = "connection"
	classTopic      = "topic"
	classRequest    = "request"
	classCancelled  = "cancelled"
)

// classOf returns the class of an error of the transport.
func classOf(err error) string {
	var network net.Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return classDNS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return classTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return classRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return classReset
	case isTLS(err):
		return classTLS
	case strings.Contains(err.Error(), "malformed HTTP"):
		return classNotHTTP
	default:
		return classConnection
	}
}

// isTLS tells whether the handshake failed. The transport has a text of its own, and not a
// type, for a server that answers without TLS.
func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &authority) || errors.As(err, &host) ||
		strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}
