package main

// variants.go holds what is compared.

import (
	"fmt"
	"slices"
	"strings"
)

// variant is a binary and its configuration.
type variant struct {
	name, about    string
	weir           bool // which binary
	trace, metrics bool
	weighted       bool // success_weighted and not round_robin
	directives     string
	protected      bool // process_health, load_shed, warm_up, and breakers
	failing        bool // the third back end fails, and failures are retried
}

// variants begin with the yardstick.
var variants = []variant{
	{name: "plain", about: "plain Caddy, round_robin"},
	{name: "linked", about: "weir's binary, plain Caddy's configuration", weir: true},
	{name: "weighted", about: "lb_policy success_weighted", weir: true, weighted: true},
	{name: "trace", about: "trace_context", weir: true, trace: true},
	{name: "metrics", about: "request_metrics", weir: true, metrics: true},
	{name: "all", about: "all three", weir: true, trace: true, metrics: true, weighted: true},
	{name: "breaker", about: "breaker with slow_call", weir: true, directives: "\tbreaker bench {\n\t\tslow_call 2s 80%\n\t}\n"},
	{name: "load_shed", about: "load_shed, automatic", weir: true, directives: "\tload_shed bench {\n\t\tmax_in_flight auto\n\t}\n"},
	{name: "protected", about: "all three, and everything that protects", weir: true, trace: true, metrics: true, weighted: true, protected: true},
	// A retry costs CPU time in any proxy, so what compares with all-failing is
	// plain-failing.
	{name: "plain-failing", about: "plain, one back end fails a third, retries", failing: true},
	{name: "all-failing", about: "all three, one back end fails a third, retries", weir: true, trace: true, metrics: true, weighted: true, failing: true},
}

// chooseVariants returns the variants with the comma-separated names, and the
// yardstick before them.
func chooseVariants(names string) ([]variant, error) {
	if names == "" {
		return variants, nil
	}
	chosen := variants[:1:1]
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(variants, func(v variant) bool { return v.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown variant %q; known are\n%s", name, describeVariants())
		}
		if !slices.ContainsFunc(chosen, func(v variant) bool { return v.name == name }) {
			chosen = append(chosen, variants[i])
		}
	}
	return chosen, nil
}

// caddyfile is the variant's configuration. backends are three that are well and
// one that is not.
func (v variant) caddyfile(address, admin string, backends []string) string {
	pool := backends[:3]
	if v.failing {
		pool = []string{backends[0], backends[1], backends[3]}
	}
	policy := "round_robin"
	if v.weighted {
		policy = "success_weighted"
	}
	directives, retries := v.directives, ""
	if v.trace {
		directives += "\ttrace_context\n"
	}
	if v.metrics {
		directives += "\trequest_metrics bench\n"
	}
	if v.protected {
		directives += protection
		policy += " {\n\t\t\tbreaker {\n\t\t\t\tslow_call 2s 80%\n\t\t\t}\n\t\t}"
	}
	if v.failing {
		retries = "\t\tlb_retries 2\n\t\tlb_retry_match {\n\t\t\texpression `{rp.status_code} == 503`\n\t\t}\n"
	}
	// The default of 32 idle connections for each back end would now and then
	// close some of what 64 clients need, in all variants, at random.
	return fmt.Sprintf(`{
	admin %s
	persist_config off
	auto_https off
	log {
		level ERROR
	}
}

http://%s {
%s	reverse_proxy %s {
		lb_policy %s
%s		transport http {
			keepalive_idle_conns_per_host 1000
		}
	}
}
`, admin, address, directives, strings.Join(pool, " "), policy, retries)
}

// protection is what protects a route. The warm-up is over, for nothing is refused,
// before anything is measured.
const protection = `	process_health
	load_shed bench {
		critical /checkout*
		max_in_flight auto
	}
	warm_up bench {
		ramp 50% 80% {
			interval 100ms
		}
		dry_run
	}
	breaker bench {
		slow_call 2s 80%
	}
`

// describeVariants lists the variants for -help.
func describeVariants() string {
	var lines []string
	for _, v := range variants {
		lines = append(lines, fmt.Sprintf("%-14s %s", v.name, v.about))
	}
	return strings.Join(lines, "\n")
}
