-- replay: puts copies of dead messages among those that wait. Those with a key are parked,
-- and the first of the key is promoted then.
WITH marked AS (
    UPDATE {schema}.dead d
    SET replaying_at = now(), replays = d.replays + 1, holds = false
    WHERE d.lane = $1 AND d.id = ANY ($2::bigint[])
    RETURNING d.*
)
INSERT INTO {schema}.deferred (id, lane, state, due_at, attempts, last_error, class,
    message_id, biz_id, topic, key, type, payload, headers, created_at)
SELECT m.id, m.lane, CASE WHEN m.key IS NULL THEN 'retry' ELSE 'parked' END, CASE WHEN m.key IS NULL THEN now() END,
       0, m.last_error, m.class, m.message_id, m.biz_id, m.topic, m.key, m.type, m.payload, m.headers, m.created_at
FROM marked m
