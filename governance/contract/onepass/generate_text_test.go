package onepass_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// This file writes values as JSON, each time in another spelling, and spoils texts.

// write appends a value in one of its spellings.
func (g *generator) write(text []byte, value any) []byte {
	text = g.space(text)
	switch value := value.(type) {
	case nil:
		text = append(text, "null"...)
	case bool:
		text = strconv.AppendBool(text, value)
	case json.Number:
		text = append(text, value...)
		if g.chance(20) && !strings.ContainsAny(string(value), ".eE") {
			text = append(text, oneOf(g, ".0", "e0", "E+00", ".000")...)
		}
	case int:
		text = strconv.AppendInt(text, int64(value), 10)
	case string:
		text = g.quote(text, value)
	case []any:
		text = append(text, '[')
		for i, item := range value {
			if i > 0 {
				text = append(text, ',')
			}
			text = g.write(text, item)
		}
		text = append(g.space(text), ']')
	case map[string]any:
		text = g.writeObject(text, value)
	}
	return g.space(text)
}

func (g *generator) writeObject(text []byte, object map[string]any) []byte {
	names := slices.Sorted(maps.Keys(object))
	g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	text = append(text, '{')
	for i, name := range names {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(g.space(g.quote(g.space(text), name)), ':')
		text = g.write(text, object[name])
	}
	if len(names) > 0 && g.chance(60) { // twice
		text = append(g.quote(append(text, ','), names[0]), ":1"...)
	}
	return append(g.space(text), '}')
}

func (g *generator) space(text []byte) []byte {
	if g.chance(12) {
		return append(text, oneOf(g, " ", "\n", "\t ", "\r\n")...)
	}
	return text
}

func (g *generator) quote(text []byte, value string) []byte {
	if g.chance(30) { // all as escapes
		text = append(text, '"')
		for _, r := range value {
			if r > 0xFFFF {
				r -= 0x10000
				text = fmt.Appendf(text, `\u%04x\u%04X`, 0xD800+r>>10, 0xDC00+r&0x3FF)
			} else {
				text = fmt.Appendf(text, `\u%04x`, r)
			}
		}
		return append(text, '"')
	}
	quoted, _ := json.Marshal(value)
	return append(text, quoted...)
}

// spoil changes some bytes of a text, so that it may be no JSON any more.
func (g *generator) spoil(text []byte) []byte {
	text = slices.Clone(text)
	for range 1 + g.IntN(2) {
		if len(text) == 0 {
			return text
		}
		at := g.IntN(len(text))
		switch g.IntN(5) {
		case 0:
			text = slices.Delete(text, at, at+1)
		case 1:
			text = text[:at]
		case 2:
			text = slices.Insert(text, at, []byte(oneOf(g, "\xff", "\x00", `\ud800`, `\`, `"`, "0", "1", "-", ".", "e5", ",", ":", "{", "[", "]",
				"}", "\ufeff", "é", "null", `\u00e9`, "e401", " x", "\xc3", "\xed\xa0\x80"))...)
		case 3:
			text[at] = byte(g.IntN(256))
		default:
			other := g.IntN(len(text))
			text[at], text[other] = text[other], text[at]
		}
	}
	return text
}
