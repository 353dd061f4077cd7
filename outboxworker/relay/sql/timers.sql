-- timers: messages of lane $1 that wait for a time which is $2 milliseconds ahead at most,
-- by that time: a page of $5, behind the message ($3, $4). Index (lane, due_at) finds them.
SELECT id, due_at, ceil(extract(epoch FROM due_at - clock_timestamp()) * 1000)::bigint
FROM {schema}.deferred
WHERE lane = $1 AND due_at <= now() + $2 * interval '1 millisecond' AND (due_at, id) > ($3::timestamptz, $4::bigint)
ORDER BY lane, due_at, id LIMIT $5
