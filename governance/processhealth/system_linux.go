package processhealth

// system_linux.go reads the signals of the operating system.

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// limitsEvery is how often limits are read again: they can be changed while the
// process runs.
const limitsEvery = time.Minute

// system is the source of a monitor on Linux.
type system struct {
	runtime *runtimeSource
	statm   *os.File // nil if there is no /proc
	buffer  []byte

	limits   limits
	limitsAt time.Time
	files    fileCount
	maxFiles uint64

	at  time.Time     // of the last sample
	cpu time.Duration // CPU time then
}

func openSystem() source {
	s := &system{runtime: newRuntimeSource(), buffer: make([]byte, 512)}
	s.statm, _ = os.Open("/proc/self/statm")
	now := time.Now()
	s.readLimits(now)
	s.at, s.cpu = now, s.cpuTime()
	return s
}

func (s *system) close() {
	s.limits.close()
	if s.statm != nil {
		s.statm.Close()
	}
}

func (s *system) read() readings {
	now := time.Now()
	r := readings{cpu: s.cpuShare(now), memory: s.memoryShare(), openFiles: math.NaN()}
	if n, ok := s.files.count(); ok && s.maxFiles > 0 {
		r[openFiles] = float64(n) / float64(s.maxFiles)
	}
	s.runtime.read(&r)
	// last, as other limits begin a new measurement of CPU time
	if now.Sub(s.limitsAt) >= limitsEvery {
		s.readLimits(now)
		s.cpu = s.cpuTime()
	}
	return r
}

func (s *system) readLimits(now time.Time) {
	s.limits.close()
	s.limits = readLimits("/", runtime.GOMAXPROCS(0))
	s.limitsAt = now
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		s.maxFiles = files.Cur
	}
}

// cpuShare is the CPU time since the last call as a share of what could be had.
func (s *system) cpuShare(now time.Time) float64 {
	used := s.cpuTime()
	elapsed := now.Sub(s.at)
	before, delta := s.cpu, used-s.cpu
	s.at, s.cpu = now, used
	if before < 0 || used < 0 || delta < 0 || elapsed <= 0 {
		return math.NaN()
	}
	return delta.Seconds() / elapsed.Seconds() / s.limits.cpus
}

// cpuTime is the CPU time used so far, or -1 if the system does not tell.
func (s *system) cpuTime() time.Duration {
	if s.limits.usage != nil {
		return s.limits.cpuTime(s.buffer)
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return -1
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// memoryShare is the resident set as a share of the limit.
func (s *system) memoryShare() float64 {
	if s.statm == nil || s.limits.memory == 0 {
		return math.NaN()
	}
	n, _ := s.statm.ReadAt(s.buffer, 0) // io.EOF at the file's end
	fields := bytes.Fields(s.buffer[:n])
	if len(fields) < 2 {
		return math.NaN()
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return math.NaN()
	}
	return float64(pages) * float64(os.Getpagesize()) / float64(s.limits.memory)
}

// fileCount counts the open files of the process.
type fileCount struct {
	last int
	skip int // samples until the next count
}

// count returns how many there are. Since Linux 6.2 the size of /proc/self/fd tells.
func (c *fileCount) count() (int, bool) {
	const directory = "/proc/self/fd"
	if info, err := os.Stat(directory); err == nil && info.Size() > 0 {
		return int(info.Size()), true
	}
	return c.countNames(directory)
}

// countNames reads the names of the directory, at about a microsecond each. So that
// this takes at most a thousandth of the time, many files are counted less often.
func (c *fileCount) countNames(directory string) (int, bool) {
	if c.skip > 0 {
		c.skip--
		return c.last, true
	}
	d, err := os.Open(directory)
	if err != nil {
		return 0, false
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return 0, false
	}
	c.last = len(names) - 1 // without the directory itself, which is open now
	c.skip = c.last / 1000
	return c.last, true
}
