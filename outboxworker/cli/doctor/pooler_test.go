package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/weirproxy/weir/internal/testserver"
)

// pooler stands between a client and the server as PgBouncer does in transaction mode:
// it answers with process ids of its own, and passes no notification on.
func pooler(t *testing.T, server string) net.Addr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go pool(client, server)
		}
	}()
	return listener.Addr()
}

func pool(client net.Conn, address string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	for {
		header := make([]byte, 5) // a letter, and the length of what follows and itself
		if _, err := io.ReadFull(server, header); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(server, body); err != nil {
			return
		}
		switch header[0] {
		case 'A': // notification
			continue
		case 'K': // process id and secret key
			binary.BigEndian.PutUint32(body, 1<<30)
		}
		if _, err := client.Write(append(header, body...)); err != nil {
			return
		}
	}
}

func TestAPoolerInThePathIsFound(t *testing.T) {
	p := newPatient(t, testserver.Database(t))
	direct := p.target(t)
	addr := pooler(t, net.JoinHostPort(direct.Connect.Host, strconv.Itoa(int(direct.Connect.Port)))).(*net.TCPAddr)
	pooled := direct
	pooled.Connect = direct.Connect.Copy()
	pooled.Connect.Host, pooled.Connect.Port = addr.IP.String(), uint16(addr.Port)
	pooled.Connect.Fallbacks = nil
	pooled.Connect.TLSConfig = nil

	// Notifications are waited for behind the pooler, where none arrives.
	pooled.Listen = pooled.Connect
	all := Examine(t.Context(), pooled)
	expect(t, all, "pooler", Warning, "does not pass notifications on")
	expect(t, all, "notifications", Warning, "no notification arrives")
	if Failed(all) {
		t.Errorf("a pooler alone is an error: %+v", all)
	}

	// Past the pooler, or without notifications, it is no problem.
	pooled.Listen, pooled.ListenApart = direct.Connect, true
	all = Examine(t.Context(), pooled)
	expect(t, all, "pooler", OK, "the configuration allows for it")
	expect(t, all, "notifications", OK, "arrives within")

	pooled.Listen, pooled.ListenApart = nil, false
	all = Examine(t.Context(), pooled)
	expect(t, all, "pooler", OK, "the configuration allows for it")
	expect(t, all, "notifications", OK, "poll_only")
}

func TestAListenerThatCannotConnect(t *testing.T) {
	p := newPatient(t, testserver.Database(t))
	target := p.target(t)
	target.Listen = target.Listen.Copy()
	target.Listen.DialFunc = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no way") }
	target.ListenApart = true
	expect(t, Examine(t.Context(), target), "notifications", Warning, "connecting to listen")
}
