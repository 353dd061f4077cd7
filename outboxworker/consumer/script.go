package consumer

// script.go holds the scripts. The number in a file's name is that of the keys. They are
// sent by their digests, and with their text to a server that does not know them.

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// Rights are the commands that a user of Redis needs for a consumer and its dead letters,
// as ACL SETUSER has them, besides its keys: the streams and consumer:*.
const Rights = "+eval +evalsha +time +type +rename +exists +del +pttl +pexpire +persist " +
	"+xread +xreadgroup +xgroup +xack +xadd +xdel +xrange +xrevrange +xlen +xinfo +xpending +xclaim +xtrim " +
	"+zadd +zrem +zcard +zscore +zrange +zrangebyscore +zrangebylex +zremrangebyscore +hget +hset +hdel +hlen +hexists +hscan"

var (
	//go:embed lua/bury.lua
	buryText string
	//go:embed lua/read-1.lua
	readText string
	//go:embed lua/leave-5.lua
	leaveText string
	//go:embed lua/claim-5.lua
	claimText string
	//go:embed lua/settle-6.lua
	settleText string
	//go:embed lua/extend-1.lua
	extendText string
	//go:embed lua/keep-1.lua
	keepText string
	//go:embed lua/takeover-1.lua
	takeoverText string
	//go:embed lua/trim-1.lua
	trimText string
	//go:embed lua/forget-1.lua
	forgetText string
	//go:embed lua/setaside-2.lua
	setAsideText string
	//go:embed lua/repair-3.lua
	repairText string
	//go:embed lua/look-6.lua
	lookText string
	//go:embed lua/list-2.lua
	listText string
	//go:embed lua/replay-6.lua
	replayText string
	//go:embed lua/discard-7.lua
	discardText string

	//go:embed lua/waiting.lua
	waitingText string
	//go:embed lua/waiting_list-10.lua
	waitingListText string
	//go:embed lua/waiting_run-11.lua
	waitingRunText string
	//go:embed lua/waiting_find-10.lua
	waitingFindText string
	//go:embed lua/pending_find-10.lua
	pendingFindText string
	//go:embed lua/entry_find-10.lua
	entryFindText string

	//go:embed lua/lane.lua
	laneText string
	//go:embed lua/lane_acquire-10.lua
	laneAcquireText string
	//go:embed lua/lane_extend-10.lua
	laneExtendText string
	//go:embed lua/lane_take-10.lua
	laneTakeText string
	//go:embed lua/lane_settle-10.lua
	laneSettleText string
	//go:embed lua/lane_mend-10.lua
	laneMendText string
	//go:embed lua/lane_beat-1.lua
	laneBeatText string

	readScript     = redis.NewScript(readText)
	leaveScript    = redis.NewScript(buryText + leaveText)
	claimScript    = redis.NewScript(buryText + claimText)
	settleScript   = redis.NewScript(buryText + settleText)
	extendScript   = redis.NewScript(buryText + extendText)
	keepScript     = redis.NewScript(keepText)
	takeoverScript = redis.NewScript(takeoverText)
	trimScript     = redis.NewScript(trimText)
	forgetScript   = redis.NewScript(forgetText)
	setAsideScript = redis.NewScript(setAsideText)
	repairScript   = redis.NewScript(repairText)
	lookScript     = redis.NewScript(lookText)
	listScript     = redis.NewScript(listText)
	replayScript   = redis.NewScript(buryText + replayText)
	discardScript  = redis.NewScript(discardText)

	waitingListScript = redis.NewScript(buryText + laneText + waitingText + waitingListText)
	waitingRunScript  = redis.NewScript(buryText + laneText + waitingText + waitingRunText)
	waitingFindScript = redis.NewScript(buryText + laneText + waitingText + waitingFindText)
	pendingFindScript = redis.NewScript(buryText + laneText + waitingText + pendingFindText)
	entryFindScript   = redis.NewScript(buryText + laneText + waitingText + entryFindText)

	laneAcquireScript = redis.NewScript(buryText + laneText + laneAcquireText)
	laneExtendScript  = redis.NewScript(buryText + laneText + laneExtendText)
	laneTakeScript    = redis.NewScript(buryText + laneText + laneTakeText)
	laneSettleScript  = redis.NewScript(buryText + laneText + laneSettleText)
	laneMendScript    = redis.NewScript(buryText + laneText + laneMendText)
	laneBeatScript    = redis.NewScript(laneBeatText)
)
