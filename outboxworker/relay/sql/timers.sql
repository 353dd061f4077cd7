-- timers: messages of lane $1 that wait for a time which is $2 milliseconds ahead at most, and
-- $6 behind, by that time: a page of $5, behind the message ($3, $4). Index (lane, due_at) finds them.
-- Ids below 1, of rows that were written by hand, have no timers.
SELECT id, due_at, ceil(extract(epoch FROM due_at - clock_timestamp()) * 1000)::bigint
FROM {schema}.deferred
WHERE lane = $1 AND due_at <= now() + $2 * interval '1 millisecond' AND due_at >= now() - $6 * interval '1 millisecond'
  AND id > 0 AND (due_at, id) > ($3::timestamptz, $4::bigint)
ORDER BY lane, due_at, id LIMIT $5
