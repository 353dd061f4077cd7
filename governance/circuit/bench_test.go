package circuit

import (
	"testing"
	"time"
)

// benched are settings with and without what costs something before a call.
func benched() map[string]Settings {
	plain := DefaultSettings()
	slow := plain
	slow.SlowCall, slow.SlowRatio = 2*time.Second, 0.8
	all := slow
	all.MaxConcurrent = 1000
	return map[string]Settings{"plain": plain, "slow_call": slow, "slow_call and max_concurrent": all}
}

// BenchmarkEnter is the check before a call while the breaker is closed.
func BenchmarkEnter(b *testing.B) {
	for name, s := range benched() {
		if s.MaxConcurrent > 0 {
			continue // its calls would have to end
		}
		b.Run(name, func(b *testing.B) {
			breaker := New(NewHistory(), s, nil)
			breaker.Enter()
			defer forget(breaker)
			b.ReportAllocs()
			for b.Loop() {
				breaker.Enter()
			}
		})
	}
}

// BenchmarkEnd is a call from the check to the record after it: less BenchmarkEnter, the
// record.
func BenchmarkEnd(b *testing.B) {
	for name, s := range benched() {
		for outcome, o := range map[string]Outcome{"success": Success, "some failures": Failure} {
			b.Run(name+"/"+outcome, func(b *testing.B) {
				s.Consecutive = 0
				breaker := New(NewHistory(), s, nil)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					c, _ := breaker.Enter()
					if i%10 == 0 {
						c.End(o, 0)
					} else {
						c.End(Success, 0)
					}
				}
			})
		}
	}
}

func BenchmarkEnterParallel(b *testing.B) {
	for name, s := range benched() {
		if s.MaxConcurrent > 0 {
			continue
		}
		b.Run(name, func(b *testing.B) {
			breaker := New(NewHistory(), s, nil)
			breaker.Enter()
			defer forget(breaker)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					breaker.Enter()
				}
			})
		})
	}
}

func BenchmarkEndParallel(b *testing.B) {
	for name, s := range benched() {
		b.Run(name, func(b *testing.B) {
			breaker := New(NewHistory(), s, nil)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c, _ := breaker.Enter()
					c.End(Success, 0)
				}
			})
		})
	}
}

// BenchmarkReady is what a balancer asks of every upstream.
func BenchmarkReady(b *testing.B) {
	breaker := New(NewHistory(), DefaultSettings(), nil)
	breaker.Enter()
	b.ReportAllocs()
	for b.Loop() {
		breaker.Ready()
	}
}

// forget has a breaker not look after calls that will never end.
func forget(b *Breaker) {
	b.history.mu.Lock()
	defer b.history.mu.Unlock()
	b.history.reset(time.Now())
}
