package shed

import "testing"

var benchmarks = []struct {
	name        string
	settings    Settings
	pressure    float64
	allocations float64
}{
	{"no limit", DefaultSettings(), 0, 0},
	{"no limit, under pressure", DefaultSettings(), 0.75, 0},
	{"fixed", Settings{MaxInFlight: 100, Floor: 0.05}, 0, 0},
	{"automatic", automatic(), 0, 1}, // the limiter's permit
}

func BenchmarkAdmit(b *testing.B) {
	for _, test := range benchmarks {
		b.Run(test.name, func(b *testing.B) {
			s := New(new(State), test.settings)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					permit, _ := s.Admit(Normal, test.pressure)
					permit.Release(Answered)
				}
			})
		})
	}
}

func TestAdmitAllocatesOnlyTheLimitersPermit(t *testing.T) {
	for _, test := range benchmarks {
		s := New(new(State), test.settings)
		if n := testing.AllocsPerRun(10_000, func() {
			permit, _ := s.Admit(Normal, test.pressure)
			permit.Release(Answered)
		}); n != test.allocations {
			t.Errorf("%s: %v allocations, want %v", test.name, n, test.allocations)
		}
	}
}
