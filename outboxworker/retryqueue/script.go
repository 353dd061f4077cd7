package retryqueue

// script.go holds the scripts. The number in a file's name is that of the keys. They are
// sent by their digests, and with their text to a server that does not know them.

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed claim-4.lua
	claimText string
	//go:embed schedule-2.lua
	scheduleText string
	//go:embed settle-2.lua
	settleText string
	//go:embed finish-1.lua
	finishText string
	//go:embed setaside-3.lua
	setAsideText string
	//go:embed stats-4.lua
	statsText string

	claimScript    = redis.NewScript(claimText)
	scheduleScript = redis.NewScript(scheduleText)
	settleScript   = redis.NewScript(settleText)
	finishScript   = redis.NewScript(finishText)
	setAsideScript = redis.NewScript(setAsideText)
	statsScript    = redis.NewScript(statsText)
)
