package operator

// invariants.go says what must hold of an outbox. The query of each is in
// sql/verify_<name>.sql; it returns a text for each violation, at most $1.

// invariant is what must hold.
type invariant struct {
	name    string
	meaning string
	fix     string
}

const remake = "the schema was not made by outboxworker migrate, or was changed since; outboxworker migrate sql shows how it must be. " +
	"While it is not, messages may be missed or misordered: stop the producers until it is mended"

var invariants = []invariant{
	{
		name:    "one_place",
		meaning: "A message is in one of the tables message, deferred and dead, or gone; only one that is replayed is in dead and deferred.",
		fix: "somebody wrote to the tables by hand, or restored one of them alone. The message is sent from each place: " +
			"find out with outboxworker find --id which one is right, and delete the other row",
	},
	{
		name:    "delivered_is_gone",
		meaning: "A message of which there is a note in delivered waits no more and is not dead.",
		fix:     "somebody wrote to the tables by hand, or restored one of them alone: delete the row, if the receiver has the message",
	},
	{
		name:    "one_head",
		meaning: "Of the messages of a key that wait, delayed ones aside, at most one is in state retry.",
		fix:     "the key's messages may be sent out of order; UPDATE {schema}.deferred SET state = 'parked', due_at = NULL for all but the first of the key",
	},
	{
		name:    "head_first",
		meaning: "The message of a key that is in state retry is the first of those that wait, unless the first one came later.",
		fix:     "the key's messages are sent out of order; if that matters, make the first one retry with a due_at, and the other one parked without",
	},
	{
		name:    "parked_behind_something",
		meaning: "Messages are parked only behind one of their key in state retry, or behind a dead one that holds the key.",
		fix:     "a relay finds them within its full_look and lets them go on; outboxworker keys release does it at once",
	},
	{
		name:    "replay_waits",
		meaning: "A dead message that is marked as being replayed is in deferred, too.",
		fix: "a worker of an earlier version has delivered it, or somebody removed it from deferred. If the receiver has it, discard it with " +
			"outboxworker dead discard; if not, UPDATE {schema}.dead SET replaying_at = NULL and replay it again",
	},
	{
		name:    "replay_holds_nothing",
		meaning: "A dead message that is being replayed does not hold its key.",
		fix:     "UPDATE {schema}.dead SET holds = false WHERE replaying_at IS NOT NULL, then outboxworker keys release",
	},
	{
		name:    "lane_of_key",
		meaning: "All messages of a key are in the lane that the key's hash says.",
		fix: "somebody wrote rows by hand, or a server was replaced by one that hashes otherwise. Stop the relays, and " +
			"UPDATE the column lane of {schema}.deferred and {schema}.dead to CASE WHEN key IS NULL THEN id & 7 ELSE hashtextextended(key, 0) & 7 END",
	},
	{
		name:    "ids_drawn",
		meaning: "The sequence has drawn all ids that there are.",
		fix: "the sequence went back, as after a restore, and ids will be drawn twice: " +
			"SELECT setval('{schema}.message_id_seq', n) with an n above all ids",
	},
	{
		name:    "ids_in_order",
		meaning: "Ids are drawn after the transaction's xid, one by one, by the table alone.",
		fix:     remake,
	},
	{
		name:    "lane_computed",
		meaning: "The lane of a pending message is computed from its key, or without one from its id.",
		fix:     remake,
	},
	{
		name:    "wakes_relay",
		meaning: "A trigger wakes a relay that rests.",
		fix:     "messages wait up to poll_max: ALTER TABLE {schema}.message ENABLE TRIGGER wake_relay, or make it as outboxworker migrate sql shows",
	},
	{
		name:    "ids_not_chosen",
		meaning: "Nobody but the owner may choose txid, id or lane of a pending message, or change it.",
		fix:     "REVOKE INSERT, UPDATE ON {schema}.message from who is named, then outboxworker migrate up, which grants what each role needs",
	},
	{
		name:    "delivered_rotates",
		meaning: "Notes of delivered messages are in partitions of an hour, none older than any keep_delivered.",
		fix: "no relay rotates them, or something reads the table all the time, as a dump that hangs: " +
			"SELECT {schema}.rotate_delivered('24 hours') as the owner, and DROP TABLE of one that is not attached",
	},
}
