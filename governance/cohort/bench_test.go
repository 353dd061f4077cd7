package cohort

import "testing"

// What a decision costs is in the path of every request.
func TestDecisionsDoNotAllocate(t *testing.T) {
	hasher := NewHasher("checkout-2026-11")
	layout := layoutOf(t, Stage{Name: "stable", Rest: true}, Stage{Name: "canary", Share: 0.05}, Stage{Name: "preview", Share: 0.001})
	key := "6f1ed002-ab5f-4b21-9d3c-6d3b0a1f2e11"
	if n := testing.AllocsPerRun(1000, func() { layout.At(hasher.Point(key)) }); n != 0 {
		t.Errorf("placing a key: %v allocations, want none", n)
	}
	s := signerOf(t, "checkout", keyTwo, keyOne)
	value, pin := signerOf(t, "checkout", keyOne).Seal(42, issued, expires), sealPin(t, s, "canary")
	// without the pool, which forgets at random under the race detector
	w := s.scratch.Get().(*scratch)
	for name, c := range map[string]struct {
		value string
		most  float64
	}{"a cohort": {value, 0}, "a pin": {pin, 1}, "a malformed one": {value[1:], 0}, "a forged one": {"AQB" + value[3:], 0}} {
		if n := testing.AllocsPerRun(1000, func() { _, _ = w.open(c.value, issued) }); n > c.most {
			t.Errorf("opening %s: %v allocations, want at most %v", name, n, c.most)
		}
	}
}

func BenchmarkPoint(b *testing.B) {
	hasher := NewHasher("checkout-2026-11")
	for name, key := range map[string]string{
		"number": "1000042", "uuid": "6f1ed002-ab5f-4b21-9d3c-6d3b0a1f2e11", "email": "jane.doe42@mail.example.net",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				hasher.Point(key)
			}
		})
	}
}

func BenchmarkAt(b *testing.B) {
	layout := layoutOf(b, Stage{Name: "stable", Rest: true}, Stage{Name: "canary", Share: 0.05}, Stage{Name: "preview", Share: 0.001})
	b.ReportAllocs()
	for p := Point(0); b.Loop(); p += 0x9e3779b97f4a7c15 {
		layout.At(p)
	}
}

func BenchmarkOpen(b *testing.B) {
	s := signerOf(b, "checkout", keyOne)
	for name, value := range map[string]string{"cohort": s.Seal(42, issued, expires), "pin": sealPin(b, s, "canary")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Open(value, issued); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	s := signerOf(b, "checkout", keyOne)
	b.ReportAllocs()
	for b.Loop() {
		s.Seal(42, issued, expires)
	}
}
