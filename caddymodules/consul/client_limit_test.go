package consul

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestAnswersAreLimited(t *testing.T) {
	for name, test := range map[string]struct {
		size   int
		packed bool
		whole  bool
	}{
		"none":                         {0, false, true},
		"as much as may be":            {1000, false, true},
		"one more":                     {1001, false, false},
		"many more":                    {1 << 20, false, false},
		"as much as may be, unpacked":  {1000, true, true},
		"many more, unpacked from few": {1 << 20, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				var out io.Writer = w
				if test.packed {
					w.Header().Set("Content-Encoding", "gzip")
					packing := gzip.NewWriter(w)
					defer packing.Close()
					out = packing
				}
				_, _ = out.Write(bytes.Repeat([]byte("x"), test.size))
			}))
			defer server.Close()
			client := http.Client{Transport: limited{new(http.Transport), 1000}}
			defer client.CloseIdleConnections()
			response, err := client.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if test.whole && (err != nil || len(body) != test.size) {
				t.Errorf("%d bytes, %v; want all", len(body), err)
			}
			if !test.whole && (err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") || len(body) > 1000) {
				t.Errorf("%d bytes, %v; want an error", len(body), err)
			}
		})
	}
}

// At the address is something that sends and sends.
func TestTheClientReadsNoEndlessAnswers(t *testing.T) {
	cleanEnvironment(t)
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		if strings.HasSuffix(r.URL.Path, "/fails") {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
		_, err := w.Write([]byte(`[`))
		chunk := bytes.Repeat([]byte(`{"Key":"a"},`), 10000)
		for n := 0; err == nil && n < 2*mostAnswer; n += len(chunk) { // is enough to tell
			_, err = w.Write(chunk)
		}
	})
	tcp := httptest.NewServer(endless)
	defer tcp.Close()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	unix := httptest.NewUnstartedServer(endless)
	unix.Listener.Close()
	unix.Listener = listener
	unix.Start()
	defer unix.Close()
	for _, address := range []string{tcp.Listener.Addr().String(), "unix://" + socket} {
		client, _, err := Settings{Address: address}.connect()
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"all": "more than 67108864 bytes", "fails": "Unexpected response code: 500"} {
			_, _, err := client.KV().List(key, new(api.QueryOptions).WithContext(t.Context()))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s at %s: the error is %.200v, want %q", key, address, err, want)
			}
			var status api.StatusError
			if errors.As(err, &status) && len(status.Body) > mostAnswer {
				t.Errorf("%s at %s: %d bytes were read", key, address, len(status.Body))
			}
		}
	}
}
