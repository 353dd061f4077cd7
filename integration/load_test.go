package integration

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestJoinedLoadsFollowEachOther(t *testing.T) {
	first := &Result{Samples: []Sample{{At: 0}, {At: time.Second, Failure: "503"}}, Took: 2 * time.Second}
	second := &Result{Samples: []Sample{{At: 0}, {At: time.Second}}, Took: 3 * time.Second}
	all := Join(first, second)
	if all.Took != 5*time.Second || all.Requests() != 4 || all.Failed() != 1 {
		t.Errorf("got %v, want 4 requests in 5 s of which 1 failed", all)
	}
	for i, want := range []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second} {
		if got := all.Samples[i].At; got != want {
			t.Errorf("sample %d is at %v, want %v", i, got, want)
		}
	}
	if second.Samples[0].At != 0 {
		t.Error("joining changes what is joined")
	}
}

func TestSteadyLoadTakesAsLongAsItTook(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	begin := time.Now()
	r := Steady(ctx, server.URL, 2, 100)
	if r.Took < 300*time.Millisecond || r.Took > time.Since(begin) {
		t.Errorf("it says %v, want 300 ms", r.Took)
	}
	if r.Requests() < 2 || r.FailedAnswers() != r.Requests() {
		t.Errorf("every request should be answered, with 404: %v", r)
	}
}
