package bench

// resources.go reads how much memory this process has had.

import (
	"os"
	"strconv"
	"strings"
)

// peakRSS is the most memory that this process had, in bytes; 0 if that is not known.
func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return maxRSS()
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err == nil {
				return kilobytes * 1024
			}
		}
	}
	return maxRSS()
}
