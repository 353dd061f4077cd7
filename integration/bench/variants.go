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
	post           bool // requests are a POST of 1 KB
}

// yardstick is the name of the variant that v is compared with: plain Caddy with the same
// requests.
func (v variant) yardstick() string {
	if v.post {
		return "plain-post"
	}
	return variants[0].name
}

// variants begin with the yardstick of most.
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
	{name: "plain-post", about: "plain Caddy, a POST of 1 KB; contract compares with it", post: true},
	{name: "contract", about: "openapi_contract, which validates that POST", weir: true, post: true, directives: "\topenapi_contract orders $CONTRACT\n"},
}

// chooseVariants returns the variants with the comma-separated names, each yardstick
// before what compares with it.
func chooseVariants(names string) ([]variant, error) {
	if names == "" {
		return variants, nil
	}
	var chosen []variant
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(variants, named(name))
		if i < 0 {
			return nil, fmt.Errorf("unknown variant %q; known are\n%s", name, describeVariants())
		}
		for _, name := range []string{variants[i].yardstick(), name} {
			if !slices.ContainsFunc(chosen, named(name)) {
				chosen = append(chosen, variants[slices.IndexFunc(variants, named(name))])
			}
		}
	}
	return chosen, nil
}

func named(name string) func(variant) bool {
	return func(v variant) bool { return v.name == name }
}

// caddyfile is the variant's configuration. contract is the document's file; backends are
// three that are well and one that is not.
func (v variant) caddyfile(address, admin, contract string, backends []string) string {
	pool := backends[:3]
	if v.failing {
		pool = []string{backends[0], backends[1], backends[3]}
	}
	policy := "round_robin"
	if v.weighted {
		policy = "success_weighted"
	}
	directives, retries := strings.ReplaceAll(v.directives, "$CONTRACT", contract), ""
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
