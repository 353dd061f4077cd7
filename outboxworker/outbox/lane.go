package outbox

// lane.go has what relays and operators share: the lock that whatever decides about the
// messages of a lane holds, and how a key goes on.

import (
	_ "embed"
	"strings"
)

// Lanes is the number of parts that the table of messages is in. A key is always in the
// same one.
const Lanes = 8

// LaneLock returns the key of the advisory lock of a lane, 0 to 7: the object id of the
// table message, which tells outboxes of a database apart, beside a mark of weir's own and
// the lane. Relays and operators take it for as long as their transaction lasts.
func LaneLock(table uint32, lane int16) int64 {
	return 0x776569<<35 | int64(table)<<3 | int64(lane)
}

//go:embed sql/promote.sql
var promote string

// PromoteSQL returns the statement by which relays and operators let keys go on, in the
// outbox of a schema: of each key it makes the first parked message due at once, unless
// another of its key is tried, or a dead one holds it. Its parameters are a lane, 0 to 7,
// whose LaneLock the transaction holds, and an array of keys of that lane.
func PromoteSQL(schema string) string {
	return strings.ReplaceAll(promote, "{schema}", quoted(schema))
}
