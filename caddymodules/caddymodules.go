// Package caddymodules is the suite: importing it compiles all of weir's modules
// into Caddy. To have only some of them, import their packages instead.
//
//	trace       trace_context                  trace ids kept or created, W3C and B3
//	metrics     request_metrics                duration, count and size of requests by route
//	balance     lb_policy success_weighted     balancing by success, the outcome tap
//	governance  admin.api.governance           live state to read and command
package caddymodules

import (
	// blank imports register the modules
	_ "github.com/weirproxy/weir/caddymodules/balance"
	_ "github.com/weirproxy/weir/caddymodules/governance"
	_ "github.com/weirproxy/weir/caddymodules/metrics"
	_ "github.com/weirproxy/weir/caddymodules/trace"
)
