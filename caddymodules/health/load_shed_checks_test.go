package health

import (
	"net/http"
	"testing"
)

func TestLoadShedLeavesHealthChecksBehindItAlone(t *testing.T) {
	s := newShedSite(t)
	const full = "\tload_shed shop {\n\t\tmax_in_flight 1\n\t\tfloor 0%\n\t}\n"
	s.mustLoad(full + "\thandle /ops/* {\n\t\tprocess_health {\n\t\t\tlive /ops/livez\n\t\t\tready /ops/readyz\n\t\t\tdetail /ops/healthz\n\t\t}\n\t}")
	release := s.waiting("/")
	for path, want := range map[string]int{"/ops/livez": 200, "/ops/readyz": 200, "/ops/healthz": 503, "/ops/other": 503, "/livez": 503, "/off": 503} {
		if res, body := s.get(path); res.StatusCode != want {
			t.Errorf("%s gets %d %q, want %d", path, res.StatusCode, body, want)
		}
	}
	res, err := http.Post(s.url+"/ops/readyz", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != 503 {
		t.Errorf("a POST, which is no check, gets %d, want 503", res.StatusCode)
	}
	release()
	s.mustLoad(full + "\thandle /ops/* {\n\t\tprocess_health {\n\t\t\tlive off\n\t\t\tready /ops/ready\n\t\t}\n\t}")
	release = s.waiting("/")
	for path, want := range map[string]int{"/ops/livez": 503, "/ops/ready": 200, "/off": 503} {
		if res, _ := s.get(path); res.StatusCode != want {
			t.Errorf("after a reload %s gets %d, want %d", path, res.StatusCode, want)
		}
	}
	release()
	if got := s.snapshot().Requests["normal"]; got["admitted"] != 2 {
		t.Errorf("counted are %v, want none but two requests admitted", got)
	}
}
