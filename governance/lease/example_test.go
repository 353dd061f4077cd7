package lease_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/weirproxy/weir/governance/lease"
)

// A service registers when it is ready to serve, tells its load, and leaves.
func Example() {
	// api.DefaultConfig() takes CONSUL_HTTP_ADDR and CONSUL_HTTP_TOKEN; here the Consul is
	// one in memory.
	config := &api.Config{HttpClient: &http.Client{Transport: lease.FakeConsul()}}
	client, err := api.NewClient(config)
	if err != nil {
		log.Fatal(err)
	}
	registration, err := lease.Hold(context.Background(), client,
		lease.Settings{Service: "orders", Drain: 10 * time.Millisecond},
		lease.Instance{ID: "10.0.1.10:8080", Address: "10.0.1.10", Port: 8080, Stage: "stable", Version: "1.4.2"})
	if err != nil {
		log.Fatal(err)
	}
	<-registration.Registered() // who must not wait for Consul leaves that out

	pair, _, err := client.KV().Get("weir/services/orders/10.0.1.10:8080", nil)
	if err != nil {
		log.Fatal(err)
	}
	instance, err := lease.Decode(pair.Value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(instance.HostPort(), instance.Stage, instance.Version, "weight", instance.Weight)

	if err := registration.Update(func(i *lease.Instance) { i.Weight = 0.5 }); err != nil {
		log.Fatal(err)
	}

	// before the server shuts down
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := registration.Release(ctx); err != nil {
		log.Print(err)
	}
	state := registration.State()
	fmt.Println(state.Phase, "after", state.Registrations, "registration")
	// Output:
	// 10.0.1.10:8080 stable 1.4.2 weight 1
	// released after 1 registration
}
