-- keep: removes delivered messages as forget does, and notes that they were delivered.
WITH gone AS (
    DELETE FROM {schema}.message m
    USING unnest($1::tid[], $2::bigint[]) AS d (place, id)
    WHERE m.ctid = d.place AND m.id = d.id
    RETURNING m.id, m.message_id, m.biz_id, m.topic, m.key, m.type, m.created_at
)
INSERT INTO {schema}.delivered (id, message_id, biz_id, topic, key, type, attempts, created_at)
SELECT id, message_id, biz_id, topic, key, type, 1, created_at FROM gone
