package integration

import (
	"bufio"
	"io"
	"testing"
)

// Streams through a stage stay where they are while shares change: promotions, rollbacks and the
// kill switch are about requests that come after.
func TestStreamsThroughACanaryOutliveItsRollback(t *testing.T) {
	t.Parallel()
	stable, canary := newVersion(t, "stable", 0), newVersion(t, "canary", 0)
	ended := make(chan error, 1)
	events, left := make(chan string), make(chan struct{}, 1)
	canary.Handle("GET /shout", echo(ended))
	canary.Handle("GET /events", publish(events, left))
	r := newRelease(t, canaryUser, stageShown, "guard {\nsteps 50% 75% 100%\n}")
	// Caddy ends streams at a reload unless they may go on
	lasting := func(v *version) string { return to(v) + " {\nstream_close_delay 10m\n}" }
	r.stage("stable", "", lasting(stable)).stage("canary", "100%", lasting(canary))
	g := r.start(t)
	client := NewClient(2)
	defer client.CloseIdleConnections()

	shouting := newShouter(t, r.Address)
	res := subscribe(t, client, r.URL()+"events")
	in := bufio.NewReader(res.Body)
	stays := func(when string) {
		t.Helper()
		shouting.say(when, "still there")
		events <- when
		if line, err := in.ReadString('\n'); err != nil || line != "data: "+when+"\n" {
			t.Fatalf("%s: heard %q, %v", when, line, err)
		}
		if _, err := in.ReadString('\n'); err != nil { // the empty line
			t.Fatal(err)
		}
	}
	stays("at 100 %")
	if stage := res.Header.Get("X-Stage"); stage != "canary" {
		t.Fatalf("the events come from %s", stage)
	}
	for _, decision := range []string{
		`{"share":{"canary":50}}`, `{"promote":true}`, `{"promote":true}`, `{"rollback":true}`, `{"kill":true}`, `{"kill":false}`,
	} {
		decideCanary(t, g, decision)
		stays("after " + decision)
	}
	if s := readSeen(t, ask(t, client, r.URL(), nil)); s.Version != "stable" {
		t.Errorf("after the rollback a new request goes to %s", s.Version)
	}
	g.MustLoad(r.Caddyfile())
	stays("after a reload")

	shouting.say("at the end", "bye")
	if _, err := shouting.in.ReadByte(); err != io.EOF {
		t.Errorf("after the back end closed, the client reads %v, want EOF", err)
	}
	if err := within(t, ended); err != nil {
		t.Errorf("at the canary it ended with %v", err)
	}
	close(events)
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("the events end with %q, %v, want a clean end", rest, err)
	}
	// a stream is an answer of the canary's, and none of stable's, a moment after it has ended
	for class, want := range map[string]float64{"1xx": 1, "2xx": 1} {
		if !Eventually(streamWithin, func() bool {
			return g.Metrics().Sum("gateway_canary_responses_total", "stage", "canary", "class", class) == want
		}) {
			t.Errorf("want %v answers of the canary that are %s: %v", want, class, g.Metrics().Series("gateway_canary_responses_total"))
		}
	}
}
