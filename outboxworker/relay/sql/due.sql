-- due: waiting messages whose time has come, from the lane's floor $6 on, by when it came, and behind each the first
-- $3 that are parked behind it. One of these may have a lower id, if it was committed when
-- the first was refused already: it comes after that one and before all others. Index
-- (lane, due_at) finds the first ones, index (lane, key, id) their followers. Bounded by
-- bytes like look, and by $5 messages.
SELECT f.id, f.state, CASE WHEN f.state = 'retry' THEN extract(epoch FROM clock_timestamp() - f.due_at)::float8 END, f.attempts, f.message_id, f.biz_id, f.topic, f.key, f.type, f.payload, f.headers::text, f.created_at,
       f.head_due, f.head
FROM (
    SELECT h.id AS head, h.due_at AS head_due, d.*,
           sum(octet_length(d.payload) + octet_length(d.topic) + COALESCE(octet_length(d.key), 0)
               + COALESCE(pg_column_size(d.headers), 0) + 200)
               OVER (ORDER BY h.due_at, h.id, d.id <> h.id, d.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (
        SELECT id, due_at, state, key
        FROM {schema}.deferred
        WHERE lane = $1 AND due_at <= now()
        AND due_at >= $6::timestamptz ORDER BY lane, due_at LIMIT $2
    ) AS h
    CROSS JOIN LATERAL (
        SELECT h.id
        UNION ALL
        (SELECT p.id FROM {schema}.deferred p
         WHERE h.state = 'retry' AND p.lane = $1 AND p.key = h.key AND p.state <> 'delayed' AND p.state = 'parked'
         ORDER BY p.lane, p.key, p.id LIMIT $3)
    ) AS i
    JOIN {schema}.deferred d ON d.lane = $1 AND d.id = i.id
) AS f
WHERE COALESCE(f.before, 0) < $4
ORDER BY f.head_due, f.head, f.id <> f.head, f.id LIMIT $5
