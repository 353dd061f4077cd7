package processhealth

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSystem(t *testing.T) {
	s := openSystem()
	defer s.close()
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; { // burns one CPU
	}
	runtime.GC()
	r := s.read()
	if r[cpu] <= 0 || math.IsNaN(r[cpu]) {
		t.Errorf("cpu is %v after 50 ms of work", r[cpu])
	}
	if !(r[memory] > 0 && r[memory] < 1) {
		t.Errorf("memory is %v", r[memory])
	}
	if !(r[openFiles] > 0 && r[openFiles] < 1) {
		t.Errorf("open files are %v", r[openFiles])
	}
	if !(r[goroutines] >= 2 && r[goroutines] < 1000) {
		t.Errorf("goroutines are %v", r[goroutines])
	}
	if !(r[gcPause] > 0 && r[gcPause] < 1) {
		t.Errorf("gc pause is %v after a collection", r[gcPause])
	}
	if !(r[schedulerLatency] >= 0 && r[schedulerLatency] < 10) {
		t.Errorf("scheduler latency is %v", r[schedulerLatency])
	}
	if !math.IsNaN(r[heap]) {
		t.Errorf("heap is %v without a memory limit", r[heap])
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 30))
	if r := s.read(); !(r[heap] > 0 && r[heap] < 1) {
		t.Errorf("heap is %v with a limit of 1 GiB", r[heap])
	}
}

func TestOpenFilesAreCounted(t *testing.T) {
	var c fileCount
	before, ok := c.count()
	if !ok {
		t.Fatal("open files cannot be counted")
	}
	for range 10 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if n, ok := c.count(); !ok || n != before+10 {
		t.Errorf("%d open files, want %d", n, before+10)
	}
	// as older kernels need it
	if n, ok := c.countNames("/proc/self/fd"); !ok || n < before+10 || n > before+12 {
		t.Errorf("%d names of open files, want %d", n, before+10)
	}
}

// After a reading that failed, the next one has nothing to compare with.
func TestCPUAfterALostReading(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.stat")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("usage_usec 3600000000\n")
	usage, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer usage.Close()
	now := time.Now()
	s := &system{buffer: make([]byte, 512), limits: limits{cpus: 1, usage: usage, version: 2}, at: now}
	s.cpu = s.cpuTime()
	for i, step := range []struct {
		content string
		want    float64
	}{
		{"usage_usec 3600100000\n", 0.1},
		{"", math.NaN()},
		{"usage_usec 3600300000\n", math.NaN()},
		{"usage_usec 3600400000\n", 0.1},
	} {
		write(step.content)
		now = now.Add(time.Second)
		if got := s.cpuShare(now); math.IsNaN(got) != math.IsNaN(step.want) || math.Abs(got-step.want) > 1e-9 {
			t.Errorf("reading %d is %v, want %v", i, got, step.want)
		}
	}
}

// Many names are not read at each sample.
func TestManyFilesAreCountedLessOften(t *testing.T) {
	directory := t.TempDir()
	create := func(from, to int) {
		for i := from; i < to; i++ {
			if err := os.WriteFile(filepath.Join(directory, strconv.Itoa(i)), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	create(0, 2001)
	var c fileCount
	for i, want := range []int{2000, 2000, 2000, 2010} {
		if n, ok := c.countNames(directory); !ok || n != want {
			t.Errorf("count %d is %d, want %d", i, n, want)
		}
		create(2001, 2011)
	}
	if _, ok := new(fileCount).countNames(filepath.Join(directory, "none")); ok {
		t.Error("what cannot be read is counted")
	}
}

// Sampling once a second may take a thousandth of one CPU.
func TestASampleTakesLessThanAMillisecond(t *testing.T) {
	s := openSystem()
	defer s.close()
	durations := make([]time.Duration, 101)
	for i := range durations {
		began := time.Now()
		s.read()
		durations[i] = time.Since(began)
	}
	slices.Sort(durations)
	// the lower quartile, as others may use the machine
	if quartile := durations[len(durations)/4]; quartile >= time.Millisecond {
		t.Errorf("a sample takes %s, want less than 1 ms", quartile)
	}
}

func BenchmarkSample(b *testing.B) {
	m, err := New(DefaultSettings())
	if err != nil {
		b.Fatal(err)
	}
	s := openSystem()
	defer s.close()
	b.ReportAllocs()
	for b.Loop() {
		m.take(b.Context(), s.read())
	}
}

// BenchmarkLimits is what is done once a minute.
func BenchmarkLimits(b *testing.B) {
	for b.Loop() {
		l := readLimits("/", 2)
		l.close()
	}
}

const (
	mounts2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
	mounts1 = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)

func TestLimits(t *testing.T) {
	const gib = 1 << 30
	tests := []struct {
		name   string
		files  map[string]string
		cpus   float64
		memory uint64
		usage  time.Duration // -1: the process's own CPU time is taken
	}{
		{"no cgroups", nil, 1, 8 * gib, -1},
		{"version 2 without limits", map[string]string{
			"proc/self/cgroup":             "0::/",
			"proc/self/mountinfo":          mounts2,
			"sys/fs/cgroup/cpu.max":        "max 100000\n",
			"sys/fs/cgroup/memory.max":     "max\n",
			"sys/fs/cgroup/memory.current": "1\n",
		}, 1, 8 * gib, -1},
		{"version 2", map[string]string{
			"proc/self/cgroup":         "0::/",
			"proc/self/mountinfo":      mounts2,
			"sys/fs/cgroup/cpu.max":    "50000 100000\n",
			"sys/fs/cgroup/cpu.stat":   "usage_usec 1500000\nuser_usec 1\n",
			"sys/fs/cgroup/memory.max": "536870912\n",
		}, 0.5, gib / 2, 1500 * time.Millisecond},
		{"version 2, a parent has the limits", map[string]string{
			"proc/self/cgroup":                                    "0::/system.slice/caddy.service",
			"proc/self/mountinfo":                                 mounts2,
			"sys/fs/cgroup/system.slice/cpu.max":                  "25000 100000\n",
			"sys/fs/cgroup/system.slice/cpu.stat":                 "usage_usec 7\n",
			"sys/fs/cgroup/system.slice/memory.max":               "1073741824\n",
			"sys/fs/cgroup/system.slice/caddy.service/cpu.max":    "50000 100000\n",
			"sys/fs/cgroup/system.slice/caddy.service/memory.max": "2147483648\n",
		}, 0.25, gib, 7 * time.Microsecond},
		{"version 1", map[string]string{
			"proc/self/cgroup":                            "5:memory:/\n4:cpu,cpuacct:/\n0::/",
			"proc/self/mountinfo":                         mounts1,
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "20000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpuacct.usage":     "2000000000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":  "1073741824\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes":  "5\n",
		}, 0.2, gib, 2 * time.Second},
		{"version 1 without limits", map[string]string{
			"proc/self/cgroup":                            "5:memory:/\n4:cpu,cpuacct:/\n",
			"proc/self/mountinfo":                         mounts1,
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "-1\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":  "9223372036854771712\n",
		}, 1, 8 * gib, -1},
		{"version 1, CPU time is counted elsewhere", map[string]string{
			"proc/self/cgroup":                            "4:cpu,cpuacct:/",
			"proc/self/mountinfo":                         mounts1,
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "20000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
		}, 0.2, 8 * gib, -1},
		{"in a container that sees its path on the host", map[string]string{
			"proc/self/cgroup":         "0::/docker/4711",
			"proc/self/mountinfo":      "30 23 0:26 /docker/4711 /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
			"sys/fs/cgroup/cpu.max":    "50000 100000\n",
			"sys/fs/cgroup/cpu.stat":   "usage_usec 9\n",
			"sys/fs/cgroup/memory.max": "536870912\n",
		}, 0.5, gib / 2, 9 * time.Microsecond},
		{"a quota above what Go uses is none", map[string]string{
			"proc/self/cgroup":       "0::/",
			"proc/self/mountinfo":    mounts2,
			"sys/fs/cgroup/cpu.max":  "800000 100000\n",
			"sys/fs/cgroup/cpu.stat": "usage_usec 9\n",
		}, 1, 8 * gib, -1},
		{"nonsense", map[string]string{
			"proc/self/cgroup":         "::::\n0::/../../x\nnothing\n",
			"proc/self/mountinfo":      "- \n1 2 3 - \n - cgroup2\n" + mounts2 + "x y z / / rw - cgroup2 a b\n",
			"sys/fs/cgroup/cpu.max":    "0 0\n",
			"sys/fs/cgroup/memory.max": "-5\n",
		}, 1, 8 * gib, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			files := map[string]string{"proc/meminfo": "MemTotal:        8388608 kB\nMemFree: 1 kB\n"}
			maps.Copy(files, tt.files)
			for name, content := range files {
				file := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l := readLimits(root, 1)
			defer l.close()
			if l.cpus != tt.cpus || l.memory != tt.memory {
				t.Errorf("%v CPUs and %d bytes, want %v and %d", l.cpus, l.memory, tt.cpus, tt.memory)
			}
			usage := time.Duration(-1)
			if l.usage != nil {
				usage = l.cpuTime(make([]byte, 512))
			}
			if usage != tt.usage {
				t.Errorf("CPU time is %s, want %s", usage, tt.usage)
			}
		})
	}
}

// FuzzLimits feeds what the kernel writes: it must never make limits that are none.
func FuzzLimits(f *testing.F) {
	f.Add("0::/a", mounts2, "50000 100000", "1024")
	f.Add("4:cpu,cpuacct:/../..", mounts1, "max", "max")
	f.Add(":", " - ", "1 0", "-1")
	f.Fuzz(func(t *testing.T, cgroup, mountinfo, cpuMax, memoryMax string) {
		if strings.Contains(mountinfo+cgroup, "\x00") {
			return // no file name
		}
		root := t.TempDir()
		for name, content := range map[string]string{
			"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo,
			"sys/fs/cgroup/cpu.max": cpuMax, "sys/fs/cgroup/memory.max": memoryMax,
		} {
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l := readLimits(root, 1)
		defer l.close()
		if !(l.cpus > 0 && l.cpus <= 1) {
			t.Errorf("%v CPUs", l.cpus)
		}
	})
}

func TestPercentile(t *testing.T) {
	bounds := []float64{0, 1, 2, 3, math.Inf(1)}
	tests := []struct {
		counts []uint64
		want   float64
	}{
		{[]uint64{0, 0, 0, 0}, 0},
		{[]uint64{1, 0, 0, 0}, 1},
		{[]uint64{0, 1, 0, 0}, 2},
		{[]uint64{99, 0, 1, 0}, 1}, // one in a hundred may be larger
		{[]uint64{98, 0, 1, 0}, 3},
		{[]uint64{980, 0, 20, 0}, 3},
		{[]uint64{0, 0, 0, 5}, 3}, // there is no upper bound
	}
	for _, tt := range tests {
		if got := percentile99(tt.counts, bounds); got != tt.want {
			t.Errorf("of %v the 99th percentile is %v, want %v", tt.counts, got, tt.want)
		}
	}
}

// All metrics that are read exist in this Go.
func TestRuntimeMetricsExist(t *testing.T) {
	for _, s := range newRuntimeSource().samples {
		if s.Value.Kind() == metrics.KindBad {
			t.Errorf("there is no %s", s.Name)
		}
	}
}
