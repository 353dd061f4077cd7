-- keep_waiting: removes delivered messages as forget_waiting does, and notes that they were
-- delivered.
WITH gone AS (
    DELETE FROM {schema}.deferred w WHERE w.lane = $1 AND w.id = ANY ($2::bigint[])
    RETURNING w.id, w.message_id, w.biz_id, w.topic, w.key, w.type, w.attempts, w.created_at
), replayed AS (
    DELETE FROM {schema}.dead d USING gone g WHERE d.id = g.id AND d.replaying_at IS NOT NULL
)
INSERT INTO {schema}.delivered (id, message_id, biz_id, topic, key, type, attempts, created_at)
SELECT id, message_id, biz_id, topic, key, type, attempts + 1, created_at FROM gone
