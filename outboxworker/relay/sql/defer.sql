-- defer: moves messages from pending to waiting. $6 is how long each one waits, in
-- milliseconds; -1 for those that are parked, -2 for those that are delayed until
-- their own time.
WITH moved AS (
    DELETE FROM {schema}.message m
    USING unnest($1::tid[], $2::bigint[]) AS d (place, id)
    WHERE m.ctid = d.place AND m.id = d.id
    RETURNING m.*
)
INSERT INTO {schema}.deferred (id, lane, state, due_at, attempts, last_error, class,
    message_id, biz_id, topic, key, type, payload, headers, created_at)
SELECT m.id, m.lane, v.state,
       CASE v.wait WHEN -1 THEN NULL WHEN -2 THEN m.deliver_after ELSE clock_timestamp() + v.wait * interval '1 millisecond' END,
       v.attempts, v.error, v.class, m.message_id, m.biz_id, m.topic, m.key, m.type, m.payload, m.headers, m.created_at
FROM moved m
JOIN unnest($2::bigint[], $3::text[], $4::integer[], $5::text[], $6::bigint[], $7::text[])
    AS v (id, state, attempts, error, wait, class) ON v.id = m.id
