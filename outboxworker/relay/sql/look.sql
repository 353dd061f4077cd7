-- look: the next messages of a lane in the order of their ids. $2 is the low-water mark,
-- $3 the transactions that may still have messages below it: both parts are one
-- statement, ordered before they are limited, so that they are seen at one time. Both
-- use their index (lane, id) and (txid, lane, id) in its order. A batch ends at $4
-- messages or before $5 bytes; sizes are read without fetching what is stored apart.
SELECT m.ctid, m.id, m.message_id, m.biz_id, m.topic, m.key, m.type, m.payload, m.headers::text, m.created_at,
       -- something of its key waits: one look at an empty table when nothing does
       CASE WHEN m.key IS NULL OR NOT (SELECT EXISTS (
                SELECT FROM {schema}.deferred d WHERE d.lane = $1 AND d.key IS NOT NULL AND d.state <> 'delayed')
                OR EXISTS (SELECT FROM {schema}.dead x WHERE x.lane = $1 AND x.holds)) THEN false
            ELSE EXISTS (SELECT FROM {schema}.deferred d WHERE d.lane = $1 AND d.key = m.key AND d.state <> 'delayed')
                OR EXISTS (SELECT FROM {schema}.dead x WHERE x.lane = $1 AND x.key = m.key AND x.holds)
       END AS waits,
       COALESCE(m.deliver_after > now(), false) AS delayed,
       m.last
FROM (
    -- the row after which the batch is cut: the next one would begin at $5 bytes or behind
    SELECT *, row_number() OVER w = $4 OR sum(size) OVER w >= $5 AS last,
           sum(size) OVER w - size AS before
    FROM (
        SELECT *, octet_length(payload) + octet_length(topic) + COALESCE(octet_length(key), 0)
                  + COALESCE(pg_column_size(headers), 0) + 200 AS size
        FROM (
            (SELECT ctid, id, message_id, biz_id, topic, key, type, payload, headers, created_at, deliver_after
             FROM {schema}.message
             WHERE lane = $1 AND id > $2
             ORDER BY lane, id LIMIT $4)
            UNION ALL
            -- of those that still run nothing can be seen, however much they have written
            (SELECT r.* FROM unnest($3::text[]::xid8[]) AS any_x (xid)
             CROSS JOIN LATERAL (SELECT any_x.xid WHERE pg_visible_in_snapshot(any_x.xid, pg_current_snapshot())) AS x (xid)
             CROSS JOIN LATERAL (
                 SELECT ctid, id, message_id, biz_id, topic, key, type, payload, headers, created_at, deliver_after
                 FROM {schema}.message
                 WHERE txid = x.xid AND lane = $1 AND id <= $2
                 ORDER BY txid, lane, id LIMIT $4) r)
        ) AS found
        ORDER BY id LIMIT $4
    ) AS sized
    WINDOW w AS (ORDER BY id ROWS UNBOUNDED PRECEDING)
) AS m
WHERE current_setting('outbox.claimed')::boolean AND m.before < $5
ORDER BY m.id
