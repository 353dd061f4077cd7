-- timed: of the messages $1, whose timers have come, those that still wait for a time: their
-- lanes, and in how many milliseconds they are due.
SELECT id, lane, ceil(extract(epoch FROM due_at - clock_timestamp()) * 1000)::bigint
FROM {schema}.deferred
WHERE id = ANY ($1::bigint[]) AND due_at IS NOT NULL
