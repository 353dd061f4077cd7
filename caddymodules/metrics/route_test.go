package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/exchange"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestMethodIndex(t *testing.T) {
	for i, method := range methods {
		if methodIndex(method) != i {
			t.Errorf("%s has the index %d, want %d", method, methodIndex(method), i)
		}
	}
	for _, method := range []string{"", "get", "BREW", "PROPFIND"} {
		if got := methods[methodIndex(method)]; got != otherMethod {
			t.Errorf("%q is %s", method, got)
		}
	}
}

func TestStatusesAreCapped(t *testing.T) {
	rec := newRecorder(newRoute("r"), []float64{1})
	const rounds = 2
	for range rounds {
		for status := 100; status <= 999; status++ {
			rec.methods[0].record(observation{status: status}, testTime)
			rec.methods[1].record(observation{status: status}, testTime)
		}
	}
	for _, status := range []int{-1, 0, 99, 1000} { // never sent, but must not panic
		rec.methods[0].record(observation{status: status}, testTime)
	}
	counts, durations := rec.route.counts, count(rec.durations)
	if most := maxPairs + 2; len(counts) > most || durations > most {
		t.Errorf("%d counts and %d histograms, at most %d are allowed", len(counts), durations, most)
	}
	var sum uint64
	for _, n := range counts {
		sum += n.Load()
	}
	if want := uint64(rounds*2*900 + 4); sum != want {
		t.Errorf("%d requests are counted, want %d", sum, want)
	}
	if counts[pair{"GET", otherStatus}].Load() == 0 {
		t.Error("nothing is counted under other")
	}
	// Buckets that change with a reload are no way around the cap.
	again := newRecorder(rec.route, []float64{2})
	for status := 100; status <= 999; status++ {
		again.methods[2].record(observation{status: status}, testTime)
	}
	if most := maxPairs + 3; len(counts) > most {
		t.Errorf("%d counts after a reload, at most %d are allowed", len(counts), most)
	}
}

func count(c prometheus.Collector) int {
	n := 0
	for range collect(c) {
		n++
	}
	return n
}

func collect(c prometheus.Collector) []prometheus.Metric {
	ch := make(chan prometheus.Metric)
	go func() {
		c.Collect(ch)
		close(ch)
	}()
	var all []prometheus.Metric
	for m := range ch {
		all = append(all, m)
	}
	return all
}

func TestRecordingConcurrently(t *testing.T) {
	rt := newRoute("r")
	rec := newRecorder(rt, []float64{1})
	const workers, each = 8, 500
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for n := range each {
				rec.methods[n%len(methods)].record(observation{status: 200 + (n+i)%20, traceID: traceID}, testTime.Add(time.Duration(n)*time.Second))
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			rt.read()
			collect(rec.durations)
		}
	})
	wg.Wait()
	counts, _ := rt.read()
	var sum uint64
	for _, n := range counts {
		sum += n
	}
	if sum != workers*each {
		t.Errorf("%d requests are counted, want %d", sum, workers*each)
	}
}

func TestOneExemplarASecond(t *testing.T) {
	rec := newRecorder(newRoute("r"), []float64{1})
	m := &rec.methods[0]
	steps := []struct {
		second  int
		traceID string
		want    string
	}{
		{0, "", ""},
		{0, "a", "a"},
		{0, "b", "a"},
		{1, "c", "c"},
		{2, "", "c"},
		{3, "\xff", "c"},
		{4, fmt.Sprintf("%0200d", 1), "c"},
		{5, "d", "d"},
	}
	for i, step := range steps {
		m.record(observation{status: 200, traceID: step.traceID}, testTime.Add(time.Duration(step.second)*time.Second))
		if got := exemplar(t, rec); got != step.want {
			t.Errorf("step %d: the exemplar is %q, want %q", i, got, step.want)
		}
	}
}

func exemplar(t *testing.T, rec *recorder) string {
	t.Helper()
	var m dto.Metric
	if err := collect(rec.durations)[0].Write(&m); err != nil {
		t.Fatal(err)
	}
	for _, label := range m.GetHistogram().GetBucket()[0].GetExemplar().GetLabel() {
		if label.GetName() == "trace_id" {
			return label.GetValue()
		}
	}
	return ""
}

func BenchmarkRecord(b *testing.B) {
	for _, id := range []string{"", traceID} {
		b.Run("trace="+strconv.FormatBool(id != ""), func(b *testing.B) {
			m := &newRecorder(newRoute("r"), defaultBuckets).methods[0]
			o := observation{status: 200, duration: 20 * time.Millisecond, requestSize: 300, responseSize: 5000, traceID: id}
			b.ReportAllocs()
			for b.Loop() {
				m.record(o, testTime)
			}
		})
	}
}

func BenchmarkRecordTemplate(b *testing.B) {
	m := &newRoute(defaultRoute).hold(defaultBuckets).methods[0]
	o := observation{status: 200, duration: 20 * time.Millisecond, requestSize: 300, responseSize: 5000, template: "/pets/{petId}"}
	b.ReportAllocs()
	for b.Loop() {
		m.record(o, testTime)
	}
}

func BenchmarkRecordParallel(b *testing.B) {
	m := &newRecorder(newRoute("r"), defaultBuckets).methods[0]
	o := observation{status: 200, duration: 20 * time.Millisecond, requestSize: 300, responseSize: 5000}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.record(o, testTime)
		}
	})
}

// BenchmarkRecordWithExemplar is what one request a second and series costs.
func BenchmarkRecordWithExemplar(b *testing.B) {
	m := &newRecorder(newRoute("r"), defaultBuckets).methods[0]
	o := observation{status: 200, duration: 20 * time.Millisecond, traceID: traceID}
	now := testTime
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		m.record(o, now)
	}
}

// BenchmarkScrape reads ten routes with twenty series each.
func BenchmarkScrape(b *testing.B) {
	ctx := newContext(b)
	for i := range 10 {
		h := provisioned(b, ctx, &Handler{Route: "bench" + strconv.Itoa(i)})
		for status := range 20 {
			h.recorder.methods[0].record(observation{status: 200 + status}, testTime)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		collect(collector{})
	}
}

// BenchmarkServeHTTP is the handler alone: inside another weir handler, and as the
// outermost one, which makes the exchange.
func BenchmarkServeHTTP(b *testing.B) {
	h := provisioned(b, newContext(b), new(Handler))
	b.Run("inside", func(b *testing.B) {
		w := httptest.NewRecorder()
		r := prepared(w, "GET")
		x := exchange.From(r)
		b.ReportAllocs()
		_ = x.Serve(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			for b.Loop() {
				_ = h.ServeHTTP(w, r, ok)
			}
			return nil
		}))
	})
	b.Run("outermost", func(b *testing.B) {
		w := httptest.NewRecorder()
		r := prepared(w, "GET")
		b.ReportAllocs()
		for b.Loop() {
			caddyhttp.SetVar(r.Context(), "weir.exchange", nil)
			_ = h.ServeHTTP(w, r, ok)
		}
	})
}

// BenchmarkServer sets request_metrics beside Caddy's own metrics, which do not
// count by route name and are lost at a reload, in a whole server.
func BenchmarkServer(b *testing.B) {
	for _, bm := range []struct{ name, global, site string }{
		{"none", "", ""},
		{"weir", "", "request_metrics"},
		{"caddy", "metrics", ""},
	} {
		b.Run(bm.name, func(b *testing.B) {
			config, err := adapttest.Adapt("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tlog {\n\t\toutput discard\n\t}\n\tstorage file_system " + b.TempDir() +
				"\n\t" + bm.global + "\n}\nhttp://127.0.0.1:0 {\n\tbind 127.0.0.1\n\t" + bm.site + "\n\trespond ok\n}\n")
			if err != nil {
				b.Fatal(err)
			}
			if err := caddy.Load([]byte(config), true); err != nil {
				b.Fatal(err)
			}
			defer func() { _ = caddy.Stop() }()
			app, err := caddy.ActiveContext().App("http")
			if err != nil {
				b.Fatal(err)
			}
			server := app.(*caddyhttp.App).Servers["srv0"]
			r := httptest.NewRequest("GET", "http://127.0.0.1/", nil)
			b.ReportAllocs()
			for b.Loop() {
				server.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
