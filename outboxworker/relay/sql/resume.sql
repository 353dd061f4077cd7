-- resume: delayed messages whose time has come join the end of the pending ones, and so
-- of their key, under new ids.
WITH resumed AS (
    DELETE FROM {schema}.deferred d
    WHERE d.lane = $1 AND d.id = ANY ($2::bigint[]) AND d.state = 'delayed'
    RETURNING d.*
)
INSERT INTO {schema}.message (message_id, biz_id, topic, key, type, payload, headers, created_at)
SELECT message_id, biz_id, topic, key, type, payload, headers, created_at
FROM resumed ORDER BY due_at, id
