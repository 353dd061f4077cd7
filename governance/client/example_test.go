package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/client"
)

// endpoint starts a server that gives one answer, and returns its address.
func endpoint(status int, text string) (address string, stop func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}))
	return server.Listener.Addr().String(), server.Close
}

// One of two endpoints fails all the time. Callers do not see it.
func Example() {
	first, stopFirst := endpoint(http.StatusOK, "3 orders")
	defer stopFirst()
	second, stopSecond := endpoint(http.StatusServiceUnavailable, "out of memory")
	defer stopSecond()

	settings := balance.DefaultSettings()
	settings.Breaker = new(circuit.DefaultSettings())
	transport, err := client.New(client.Settings{
		Endpoints: client.Static(first, second),
		Balance:   settings,
		Retries:   1,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	orders := &http.Client{Transport: transport, Timeout: 5 * time.Second}

	answers := make(map[string]int)
	for range 100 {
		res, err := orders.Get("http://orders/list")
		var none *client.NoEndpointError
		if errors.As(err, &none) {
			time.Sleep(none.RetryAfter)
			continue
		} else if err != nil {
			log.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		answers[string(text)]++
	}
	fmt.Println(answers)

	for _, u := range transport.Snapshot().Upstreams {
		fmt.Println("well:", u.Attempts["failed_status"] == 0, "under half of the requests:", u.Attempts["success"] < 50)
	}
	// Output:
	// map[3 orders:100]
	// well: true under half of the requests: false
	// well: false under half of the requests: true
}

// A file that somebody else writes names the endpoints, one a line.
func ExampleSourceFunc() {
	address, stop := endpoint(http.StatusOK, "3 orders")
	defer stop()
	directory, err := os.MkdirTemp("", "endpoints")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)
	name := filepath.Join(directory, "orders")
	if err := os.WriteFile(name, []byte(address+"\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	source := client.SourceFunc(func(context.Context) ([]client.Endpoint, error) {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		return client.Static(strings.Fields(string(content))...), nil
	})
	transport, err := client.New(client.Settings{Endpoints: source})
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()

	res, err := (&http.Client{Transport: transport}).Get("http://orders/list")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(os.Stdout, res.Body)
	// Output: 3 orders
}
