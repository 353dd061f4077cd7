package main

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/weirproxy/weir/caddymodules"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred, 0, 1},
		{hundred[:3], 50, 2},
		{hundred[:3], 99, 3},
		{hundred[:1], 50, 1},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %v of %d = %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		given := slices.Clone(c.values)
		if got := median(c.values); got != c.want || !slices.Equal(c.values, given) {
			t.Errorf("median of %v = %v, want %v; left %v", given, got, c.want, c.values)
		}
	}
}

func TestNewResult(t *testing.T) {
	before := usage{cpu: time.Second, allocations: 100, bytes: 1000, resident: 4e6}
	after := usage{cpu: time.Second + 400*time.Microsecond, allocations: 110, bytes: 1200, resident: 5e6}
	got := newResult([]time.Duration{4e6, 1e6, 2e6, 3e6}, 1, 2*time.Second, before, after)
	want := result{
		perSecond: 2, cpu: 100 * time.Microsecond, p50: 2e6, p99: 4e6, failed: 1,
		allocations: 2.5, bytes: 50, resident: 5e6,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPrintTable(t *testing.T) {
	all := make(rounds)
	// The ratios are 1.1, 1.5 and 1.0 in their rounds; the ratio of the medians
	// would be 1.5, because the machine was slow in the second round and the third.
	for i, cpu := range [][2]time.Duration{{100, 110}, {100, 150}, {200, 200}} {
		r := result{perSecond: 1000, p50: 2500 * time.Microsecond, p99: 10 * time.Millisecond, allocations: 200.25, bytes: 9999, resident: 50e6}
		r.cpu = cpu[0] * time.Microsecond
		all["plain"] = append(all["plain"], r)
		r.cpu = cpu[1] * time.Microsecond
		r.failed = i
		all["linked"] = append(all["linked"], r)
	}
	var printed strings.Builder
	printTable(&printed, variants[:2], all)
	lines := strings.Split(printed.String(), "\n")
	for i, want := range []string{
		"CPU us/req ratio min-max allocs/req B/req req/s p50 ms p99 ms errors RSS MB",
		"plain 100.0 1.000 1.000-1.000 200.2 9999 1000 2.50 10.00 0 50",
		"linked 150.0 1.100 1.000-1.500 200.2 9999 1000 2.50 10.00 3 50",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("line %d is %q, want %q", i, got, want)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	reader := bufio.NewReader(strings.NewReader(string(answer("200 OK", "abc")) + string(answer("503 Service Unavailable", ""))))
	for _, want := range []int{200, 503} {
		if status, err := readAnswer(reader); status != want || err != nil {
			t.Errorf("got %d, %v, want %d", status, err, want)
		}
	}
	if _, err := readAnswer(reader); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if _, err := readAnswer(bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\n\r\n"))); err == nil {
		t.Error("an answer without a length was read")
	}
}

func TestChooseVariants(t *testing.T) {
	chosen, err := chooseVariants("all,plain,all")
	if err != nil || len(chosen) != 2 || chosen[0].name != "plain" || chosen[1].name != "all" {
		t.Errorf("got %+v, %v", chosen, err)
	}
	chosen, err = chooseVariants("contract,all")
	if err != nil || len(chosen) != 4 || chosen[0].name != "plain-post" || chosen[2].name != "plain" {
		t.Errorf("got %+v, %v", chosen, err)
	}
	if _, err := chooseVariants("all,none"); err == nil {
		t.Error("an unknown variant was accepted")
	}
}

// TestCaddyfilesAdapt sees to it that a directive which changes is noticed before
// someone wants to know how fast it is.
func TestCaddyfilesAdapt(t *testing.T) {
	for _, v := range variants {
		caddyfile := v.caddyfile("127.0.0.1:1", "127.0.0.1:2", "orders.yaml", []string{"a:1", "b:2", "c:3", "d:4"})
		adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
		if err != nil {
			t.Errorf("%s: %v in\n%s", v.name, err, caddyfile)
		}
		for directive, want := range map[string]bool{
			"trace_context": v.trace, "request_metrics": v.metrics, "success_weighted": v.weighted,
			"openapi_contract": v.name == "contract", "round_robin": !v.weighted, "d:4": v.failing, "c:3": !v.failing,
		} {
			if strings.Contains(string(adapted), directive) != want {
				t.Errorf("%s: that %s is configured should be %v in\n%s", v.name, directive, want, adapted)
			}
		}
	}
}
