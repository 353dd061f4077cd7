package consul

// source_bench_test.go compares what a source of upstreams costs a request with Caddy's
// own for DNS, which has as many records.

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"golang.org/x/net/dns/dnsmessage"
)

func BenchmarkGetUpstreams(b *testing.B) {
	for _, n := range []int{3, 500} {
		b.Run(fmt.Sprintf("source=consul_kv/n=%d", n), func(b *testing.B) {
			r := newRegistry()
			for i := range n {
				m := member(i%250, nil)
				m.ID, m.Port = fmt.Sprintf("web-%d", i), 8080+i
				r.list = append(r.list, m)
			}
			s := newSource(newWatch(), r, "")
			s.Lead()
			b.Cleanup(func() { s.watch.leave(s) })
			benchmarkSource(b, s, n)
		})
		b.Run(fmt.Sprintf("source=srv/n=%d", n), func(b *testing.B) {
			// with a configuration, as it would log each record without one
			ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
			if err != nil {
				b.Fatal(err)
			}
			s := &reverseproxy.SRVUpstreams{
				Name: fmt.Sprintf("n%d.test.", n), Refresh: caddy.Duration(time.Hour),
				Resolver: &reverseproxy.UpstreamResolver{Addresses: []string{"tcp/" + serveSRV(b, n)}},
			}
			if err := s.Provision(ctx); err != nil {
				b.Fatal(err)
			}
			benchmarkSource(b, s, n)
		})
	}
}

func benchmarkSource(b *testing.B, s reverseproxy.UpstreamSource, want int) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(context.WithValue(b.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
	get := func() {
		if upstreams, err := s.GetUpstreams(r); err != nil || len(upstreams) != want {
			b.Fatalf("%d upstreams, %v; want %d", len(upstreams), err, want)
		}
	}
	get() // the first time there are questions to ask
	b.ReportAllocs()
	for b.Loop() {
		get()
	}
}

// serveSRV answers all questions with n SRV records. It is for connections alone: that
// many do not fit in a datagram.
func serveSRV(b *testing.B, n int) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for answerSRV(conn, n) == nil {
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func answerSRV(conn net.Conn, n int) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	packed := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, packed); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(packed); err != nil {
		return err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for i := range n {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.SRVResource{Weight: 1, Port: uint16(8080 + i), Target: dnsmessage.MustNewName(fmt.Sprintf("web-%d.test.", i))},
		})
	}
	packed, err := m.AppendPack(make([]byte, 2, 64<<10))
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(packed, uint16(len(packed)-2))
	_, err = conn.Write(packed)
	return err
}
