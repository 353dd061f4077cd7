package processhealth

// loop_test.go closes the loop: what is shed by the pressure lowers the pressure.

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/weirproxy/weir/governance/shed"
)

// served lets a process shed a load for a while, and returns the share that it admits in
// each second. demand is the CPU that all requests together would need, as a share of
// what there is; a refusal needs a tenth of what an answer does.
func served(t *testing.T, demand, low, smoothing float64, seconds int) []float64 {
	t.Helper()
	settings := DefaultSettings()
	settings.Smoothing = smoothing
	m, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	shedding := shed.DefaultSettings()
	shedding.HasLow = low > 0
	s := shed.New(new(shed.State), shedding)
	defer s.Close()
	shares := make([]float64, seconds)
	for second := range shares {
		const requests = 1000
		admitted, pressure := 0, m.Verdict().Pressure
		for i := range requests {
			p := shed.Normal
			if float64(i%10) < low*10 {
				p = shed.Low
			}
			if _, reason := s.Admit(p, pressure); reason == shed.Admitted {
				admitted++
			}
		}
		shares[second] = float64(admitted) / requests
		sample := healthy()
		sample[cpu] = min(1, demand*(shares[second]+(1-shares[second])*0.1))
		m.take(context.Background(), sample)
	}
	return shares
}

// Once it has settled, what is admitted leaves the CPU busy and out of danger, and is
// about the same from one second to the next.
func TestSheddingByPressureSettles(t *testing.T) {
	for _, smoothing := range []float64{0.1, 0.2, DefaultSettings().Smoothing} {
		for _, demand := range []float64{0.8, 0.9, 1, 1.5, 2, 3} {
			for _, low := range []float64{0, 0.3} {
				shares := served(t, demand, low, smoothing, 120)[60:]
				for _, share := range shares {
					used := demand * (share + (1-share)*0.1)
					if used < 0.75 || used > 0.95 {
						t.Errorf("smoothing %v, demand %v, %v of it low: at times %.2f is admitted and %.2f of the CPU used", smoothing, demand, low, share, used)
						break
					}
				}
				if swing := slices.Max(shares) - slices.Min(shares); swing > 0.06 {
					t.Errorf("smoothing %v, demand %v, %v of it low: between %.2f and %.2f are admitted in turns", smoothing, demand, low, slices.Min(shares), slices.Max(shares))
				}
			}
		}
	}
}

// Old pressure fades, and does not refuse one request in a million for ever.
func TestPressureComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, g := monitored(t, nil)
		g.set(cpu, 1)
		for n, want := range []float64{0.2, 0.36, 0.488} {
			after(1)
			if got := m.Verdict(); math.Abs(got.Pressure-want) > 1e-9 || math.Abs(got.Weight-(1-0.9*want)) > 1e-9 {
				t.Errorf("after %d s in danger the pressure is %v and the weight %v", n+1, got.Pressure, got.Weight)
			}
		}
		after(60)
		if got := m.Verdict().Pressure; got < 0.999 || got > 1 {
			t.Errorf("after a minute in danger the pressure is %v", got)
		}
		g.set(cpu, 0.1)
		after(40)
		if got := m.Verdict(); got.Pressure != 0 || got.Weight != 1 {
			t.Errorf("40 s after a danger the pressure is %v and the weight %v", got.Pressure, got.Weight)
		}
	})
}
