package onepass

import "math/bits"

// table finds names. It is open addressing with linear probing over slots of which at most half are used. The names are
// those of a schema, so nobody who sends texts can make them collide.
type table struct {
	names []string
	slots []int32 // 1 + index in names, 0 is free
	shift uint8
}

func newTable(names []string) table {
	size := uint(1) << max(2, bits.Len(uint(2*len(names))))
	t := table{names: names, slots: make([]int32, size), shift: uint8(64 - bits.Len(size-1))}
	for i, name := range names {
		slot := hash(name) >> t.shift
		for t.slots[slot] != 0 {
			slot = (slot + 1) & uint64(size-1)
		}
		t.slots[slot] = int32(i + 1)
	}
	return t
}

// find returns the index of a name, -1 if it is not in the table.
func (t *table) find(name string) int {
	if len(t.names) == 0 {
		return -1
	}
	mask := uint64(len(t.slots) - 1)
	for slot := hash(name) >> t.shift; ; slot++ {
		i := t.slots[slot&mask]
		if i == 0 {
			return -1
		}
		if t.names[i-1] == name {
			return int(i - 1)
		}
	}
}

// hash looks at the length and at no more than eight bytes each at the beginning, in the middle and at the end of a name.
func hash(name string) uint64 {
	h := uint64(len(name))
	switch {
	case len(name) > 16:
		h ^= load(name, 0) ^ bits.RotateLeft64(load(name, len(name)-8), 29) ^ bits.RotateLeft64(load(name, len(name)/2-4), 13)
	case len(name) >= 8:
		h ^= load(name, 0) ^ bits.RotateLeft64(load(name, len(name)-8), 29)
	case len(name) >= 4:
		h ^= load4(name, 0) | load4(name, len(name)-4)<<32
	case len(name) > 0:
		h ^= uint64(name[0]) | uint64(name[len(name)/2])<<8 | uint64(name[len(name)-1])<<16
	}
	h ^= h >> 29
	return h * 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio: Knuth, The Art of Computer Programming 3, 6.4
}

// load returns eight bytes of a text.
func load(text string, at int) uint64 {
	s := text[at : at+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func load4(text string, at int) uint64 {
	s := text[at : at+4]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}
