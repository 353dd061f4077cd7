// Package caddymodules is the suite: importing it compiles all of weir's modules
// into Caddy. To have only some of them, import their packages instead.
//
//	trace       trace_context                  trace ids kept or created, W3C and B3
//	metrics     request_metrics                duration, count and size of requests by route
//	health      process_health, load_shed      liveness, readiness and signals; shedding under load
//	warmup      warm_up                        few requests while a service is cold
//	openapi     openapi_contract               requests and answers held to an OpenAPI document
//	canary      canary_route,                  stages of a release, a guard that promotes and rolls back;
//	            release_stage                  the matcher of the stage
//	breaker     breaker                        circuit breakers of routes, with fallbacks
//	balance     lb_policy success_weighted     balancing by success, breakers of upstreams, the outcome tap
//	consul      dynamic consul_kv,             upstreams that follow leases or Consul's catalogue;
//	            dynamic consul_service         registration (governance.consul); the command service-lease
//	governance  governance                     global options; live state to read and command (admin.api.governance)
package caddymodules

import (
	// blank imports register the modules
	_ "github.com/weirproxy/weir/caddymodules/balance"
	_ "github.com/weirproxy/weir/caddymodules/breaker"
	_ "github.com/weirproxy/weir/caddymodules/canary"
	_ "github.com/weirproxy/weir/caddymodules/consul"
	_ "github.com/weirproxy/weir/caddymodules/governance"
	_ "github.com/weirproxy/weir/caddymodules/health"
	_ "github.com/weirproxy/weir/caddymodules/metrics"
	_ "github.com/weirproxy/weir/caddymodules/openapi"
	_ "github.com/weirproxy/weir/caddymodules/trace"
	_ "github.com/weirproxy/weir/caddymodules/warmup"
)
