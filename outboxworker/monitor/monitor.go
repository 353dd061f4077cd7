// Package monitor is the worker's own HTTP server, for machines that watch it:
// /metrics for Prometheus, /healthz for whoever restarts a worker that hangs, and
// /readyz for whoever waits until it works.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// The server answers programs that watch it, on one machine or in one network: what
// takes longer than this hangs.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	// maxScrapes bounds the scrapes at once; more are answered 503.
	maxScrapes = 4
)

// Server answers /metrics, /healthz and /readyz on at most one address.
type Server struct {
	http   *http.Server
	logger *zap.Logger

	// mu guards the listener and what is served over it.
	mu       sync.Mutex
	listener net.Listener
	address  string
	serving  sync.WaitGroup
}

// NewRegistry returns a registry with the metrics of the Go runtime, of the process
// and of the build.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return registry
}

// New returns a server that shows a registry's metrics. ready is asked at each
// /readyz. It listens nowhere until Listen.
func New(registry *prometheus.Registry, ready func() Readiness, logger *zap.Logger) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry:            registry,
		MaxRequestsInFlight: maxScrapes,
		ErrorLog:            zap.NewStdLog(logger),
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready().write(w) })
	return &Server{
		logger: logger,
		http: &http.Server{
			Handler:           mux,
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          zap.NewStdLog(logger),
		},
	}
}

// Listen serves on an address, host:port, instead of where the server listened
// before; if it cannot, it goes on as before. With an empty address it listens
// nowhere. Requests under way are finished.
func (s *Server) Listen(address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if address == s.address {
		return nil
	}
	if address == "" {
		s.replaceLocked(nil, "")
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil && s.listener != nil && samePort(address, s.listener.Addr().String()) {
		listener, err = s.relistenLocked(address)
	}
	if err != nil {
		return fmt.Errorf("listening for metrics and health: %w", err)
	}
	s.replaceLocked(listener, address)
	return nil
}

// relistenLocked listens where the server's own listener is in the way, as
// 127.0.0.1:9465 is in the way of :9465.
func (s *Server) relistenLocked(address string) (net.Listener, error) {
	before := s.listener.Addr().String()
	s.replaceLocked(nil, "")
	listener, err := net.Listen("tcp", address)
	if err == nil {
		return listener, nil
	}
	old, again := net.Listen("tcp", before)
	if again != nil {
		return nil, errors.Join(err, fmt.Errorf("listening as before: %w", again))
	}
	s.replaceLocked(old, before)
	return nil, err
}

func samePort(a, b string) bool {
	_, portA, _ := net.SplitHostPort(a)
	_, portB, _ := net.SplitHostPort(b)
	return portA == portB
}

// replaceLocked serves over another listener, nil for none, and closes the old one.
func (s *Server) replaceLocked(listener net.Listener, address string) {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	s.listener, s.address = listener, address
	if listener == nil {
		return
	}
	s.serving.Go(func() {
		err := s.http.Serve(listener)
		if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.logger.Error("serving metrics and health ended", zap.Error(err))
		}
	})
	s.logger.Info("serving metrics and health", zap.Stringer("address", listener.Addr()))
}

// Address returns where the server listens, with the port that it got; nil if
// nowhere.
func (s *Server) Address() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Shutdown ends the server for good. It waits for requests under way until ctx is
// done, then breaks them off.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if errors.Is(err, net.ErrClosed) {
		err = nil // of a listener that was replaced just now, which the server has not noticed
	}
	if err != nil {
		_ = s.http.Close()
		err = fmt.Errorf("ending the server of metrics and health: %w", err)
	}
	s.mu.Lock()
	s.listener, s.address = nil, ""
	s.mu.Unlock()
	s.serving.Wait()
	return err
}
