package canary

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weirproxy/weir/internal/freeport"
)

// wantMetric waits for the value, as requests are counted when the client may have its
// answer already.
func wantMetric(t *testing.T, want float64, c prometheus.Collector) {
	t.Helper()
	var got float64
	if !eventually(func() bool { got = testutil.ToFloat64(c); return got == want }) {
		desc := make(chan *prometheus.Desc, 1)
		c.Describe(desc)
		t.Errorf("%v is %v, want %v", <-desc, got, want)
	}
}

// wantSides waits for what the guard knows of the canary and of stable.
func wantSides(t *testing.T, canary, stable string) {
	t.Helper()
	var got string
	want := canary + "; " + stable
	if !eventually(func() bool {
		v := view(t).live.guard.Load().Snapshot(time.Now()).Present
		if v == nil {
			return false
		}
		got = fmt.Sprintf("%d requests %d errors %d unanswered; %d requests %d errors %d unanswered",
			v.Canary.Requests, v.Canary.Errors, v.Canary.Unanswered, v.Stable.Requests, v.Stable.Errors, v.Stable.Unanswered)
		return got == want
	}) {
		t.Errorf("the guard knows of %s, want %s", got, want)
	}
}

// answersStatus is a back end that answers with the status in the path.
func answersStatus(w http.ResponseWriter, r *http.Request) {
	code, _ := strconv.Atoi(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
	w.WriteHeader(code)
}

func TestMetrics(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, answersStatus)
	t.Setenv("STAGE_KEY", "0123456789abcdef")
	config := site(listen, "header {\ntrust 127.0.0.1\n}\ncookie uid {\nkeys {env.STAGE_KEY}\n}\nrule /rule/* canary\nstage stable {\nreverse_proxy "+up+
		"\n}\nstage canary 0% {\nreverse_proxy "+up+"\n}\nstage preview 0% {\nerror 418\n}", "")
	storage := serve(t, config)
	url := "http://" + listen
	get(t, url+"/200")
	get(t, url+"/204", "X-Release-Stage", "canary")
	get(t, url+"/302", "X-Release-Stage", "canary")
	get(t, url+"/rule/503")
	get(t, url+"/404", "X-Release-Stage", "unknown")
	get(t, url+"/200", "Cookie", "uid=wrong")
	get(t, url+"/200", "X-Release-Stage", "preview")
	mustLoad(t, storage, config+"# again\n")
	get(t, url+"/200")

	for _, c := range []struct {
		want          float64
		stage, reason string
	}{
		{4, "stable", "random"}, {2, "canary", "header"}, {1, "canary", "rule"}, {1, "preview", "header"}, {0, "stable", "killed"},
	} {
		wantMetric(t, c.want, requestsVec.WithLabelValues("checkout", c.stage, c.reason))
	}
	for _, c := range []struct {
		want         float64
		stage, class string
	}{
		{3, "stable", "2xx"}, {1, "stable", "4xx"}, {1, "canary", "2xx"}, {1, "canary", "3xx"}, {1, "canary", "5xx"}, {1, "preview", "4xx"},
	} {
		wantMetric(t, c.want, responsesVec.WithLabelValues("checkout", c.stage, c.class))
	}
	wantMetric(t, 1, badCookiesVec.WithLabelValues("checkout", "malformed"))
	wantMetric(t, 1, ignoredVec.WithLabelValues("checkout", "unknown"))
	if n := observed(t, "canary"); n != 3 {
		t.Errorf("%d durations of the canary, want 3", n)
	}
}

// observed is how many durations a stage has.
func observed(t *testing.T, stage string) (n uint64) {
	t.Helper()
	eachDuration(t, func(canary, of string, m histogram) {
		if canary == "checkout" && of == stage {
			n = m.GetSampleCount()
		}
	})
	return n
}

// What no configuration names any more leaves no series behind.
func TestSeriesGoWithTheirStage(t *testing.T) {
	listen := freeport.Address(t)
	stages := "stage stable\nstage canary 5%\n"
	storage := t.TempDir()
	mustLoad(t, storage, site(listen, stages+"stage preview 1%", "respond ok"))
	get(t, "http://"+listen)
	if n := testutil.CollectAndCount(durationVec); n != 3 {
		t.Errorf("three stages have %d series", n)
	}
	mustLoad(t, storage, site(listen, stages, "respond ok"))
	for _, vec := range []prometheus.Collector{requestsVec, responsesVec, durationVec, fallbacksVec} {
		if !eventually(func() bool { return !strings.Contains(exposed(t, vec), `stage="preview"`) }) {
			t.Errorf("a stage that has gone has series: %s", exposed(t, vec))
		}
	}
	stop(t)
	wantNoSeries(t)
}

// exposed is a metric as Prometheus gets it.
func exposed(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(families)
}
