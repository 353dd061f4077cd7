package config

// size.go holds sizes in bytes.

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as a plain number or with KiB, MiB or GiB.
type Size int

var units = []struct {
	name  string
	bytes int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String returns the size with the largest unit that it is a whole number of.
func (s Size) String() string {
	for _, unit := range units {
		if s != 0 && int(s)%unit.bytes == 0 {
			return strconv.Itoa(int(s)/unit.bytes) + unit.name
		}
	}
	return strconv.Itoa(int(s))
}

func parseSize(text string) (Size, error) {
	factor := 1
	for _, unit := range units {
		if number, ok := strings.CutSuffix(text, unit.name); ok {
			text, factor = strings.TrimSpace(number), unit.bytes
			break
		}
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("reading a size: %w", err)
	}
	if number > math.MaxInt/factor || number < math.MinInt/factor {
		return 0, fmt.Errorf("reading a size: it is too large")
	}
	return Size(number * factor), nil
}
