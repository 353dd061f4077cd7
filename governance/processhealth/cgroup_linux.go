package processhealth

// cgroup_linux.go finds out how much CPU and memory the process may use.

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// limits are what the process may use.
type limits struct {
	// cpus is how many CPUs, as a fraction.
	cpus float64
	// usage, if not nil, tells the CPU time of the cgroup whose quota cpus is: the
	// file cpu.stat (version 2, microseconds) or cpuacct.usage (version 1,
	// nanoseconds).
	usage   *os.File
	version int
	// memory in bytes; 0 if unknown.
	memory uint64
}

func (l *limits) close() {
	if l.usage != nil {
		l.usage.Close()
	}
}

// cpuTime returns the CPU time that the cgroup has used, or -1.
func (l *limits) cpuTime(buffer []byte) time.Duration {
	n, _ := l.usage.ReadAt(buffer, 0) // io.EOF at the file's end
	text, unit := buffer[:n], time.Nanosecond
	if l.version == 2 {
		_, text, _ = bytes.Cut(text, []byte("usage_usec "))
		unit = time.Microsecond
	}
	text, _, _ = bytes.Cut(text, []byte("\n"))
	used, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return -1
	}
	return time.Duration(used) * unit
}

// readLimits reads the limits below root, which is "/" but in tests. Without a quota,
// the process may use procs CPUs.
func readLimits(root string, procs int) limits {
	l := limits{cpus: float64(min(procs, runtime.NumCPU())), memory: machineMemory(root)}
	for dir, version := range controller(root, "cpu") {
		cpus, ok := quota(dir, version)
		if !ok || cpus > l.cpus {
			continue
		}
		file := filepath.Join(dir, "cpu.stat")
		if version == 1 {
			file = filepath.Join(dir, "cpuacct.usage")
		}
		usage, _ := os.Open(file) // where there is none, the process's own time is taken
		l.close()
		l.cpus, l.usage, l.version = cpus, usage, version
	}
	for dir, version := range controller(root, "memory") {
		file := "memory.max"
		if version == 1 {
			file = "memory.limit_in_bytes"
		}
		limit, err := strconv.ParseUint(read(filepath.Join(dir, file)), 10, 64)
		if err == nil && limit > 0 && (l.memory == 0 || limit < l.memory) {
			l.memory = limit
		}
	}
	return l
}

// quota returns how many CPUs the cgroup in dir may use, if that is limited.
func quota(dir string, version int) (cpus float64, ok bool) {
	var most, period string
	if version == 2 {
		most, period, _ = strings.Cut(read(filepath.Join(dir, "cpu.max")), " ")
	} else {
		most = read(filepath.Join(dir, "cpu.cfs_quota_us"))
		period = read(filepath.Join(dir, "cpu.cfs_period_us"))
	}
	q, err := strconv.ParseFloat(most, 64) // "max" or -1: no limit
	p, err2 := strconv.ParseFloat(period, 64)
	if err != nil || err2 != nil || !(q > 0) || !(p > 0) || math.IsInf(q/p, 0) {
		return 0, false
	}
	return q / p, true
}

// controller yields the directories of the process's cgroup and of those above it
// that have a controller, with the version of cgroups. A limit of each of them holds.
func controller(root, name string) func(yield func(dir string, version int) bool) {
	return func(yield func(string, int) bool) {
		paths := cgroupPaths(root)
		for line := range strings.Lines(read(filepath.Join(root, "proc/self/mountinfo"))) {
			// 31 23 0:28 <root> <mount point> <options>... - <type> <source> <options>
			before, after, ok := strings.Cut(line, " - ")
			mount, fs := strings.Fields(before), strings.Fields(after)
			if !ok || len(mount) < 5 || len(fs) < 3 {
				continue
			}
			version, path, found := 0, "", false
			switch {
			case fs[0] == "cgroup2":
				version = 2
				path, found = paths[""]
			case fs[0] == "cgroup" && strings.Contains(","+fs[2]+",", ","+name+","):
				version = 1
				path, found = paths[name]
			}
			if !found {
				continue
			}
			top := filepath.Join(root, mount[4])
			for dir := filepath.Join(top, below(path, mount[3])); ; dir = filepath.Dir(dir) {
				if !yield(dir, version) {
					return
				}
				if dir == top || !strings.HasPrefix(dir, top) {
					break
				}
			}
		}
	}
}

// below is the part of a cgroup's path under the one that is mounted. In a container,
// the path may be that on the host, while only the container's own cgroup can be
// seen; that is then the best there is.
func below(path, mounted string) string {
	if mounted == "/" {
		if strings.Contains(path, "..") {
			return ""
		}
		return path
	}
	if rest, ok := strings.CutPrefix(path, mounted); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return ""
}

// cgroupPaths returns the process's cgroups by controller; that of version 2 has no
// name.
func cgroupPaths(root string) map[string]string {
	paths := make(map[string]string)
	for line := range strings.Lines(read(filepath.Join(root, "proc/self/cgroup")) + "\n") {
		// 4:cpu,cpuacct:/docker/1234
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 {
			for name := range strings.SplitSeq(parts[1], ",") {
				paths[name] = parts[2]
			}
		}
	}
	return paths
}

// machineMemory is the memory of the machine in bytes, or 0.
func machineMemory(root string) uint64 {
	_, rest, ok := strings.Cut(read(filepath.Join(root, "proc/meminfo")), "MemTotal:")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0
	}
	kilobytes, _ := strconv.ParseUint(fields[0], 10, 64)
	return kilobytes * 1024
}

// read returns the trimmed content of a file; none if it cannot be read, as limits
// that cannot be read are none.
func read(file string) string {
	content, _ := os.ReadFile(file)
	return strings.TrimSpace(string(content))
}
