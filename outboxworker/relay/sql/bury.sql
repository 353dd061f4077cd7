-- bury: moves pending messages to the dead.
WITH moved AS (
    DELETE FROM {schema}.message m
    USING unnest($1::tid[], $2::bigint[]) AS d (place, id)
    WHERE m.ctid = d.place AND m.id = d.id
    RETURNING m.*
)
INSERT INTO {schema}.dead (id, lane, holds, reason, attempts, last_error, class, fingerprint,
    message_id, biz_id, topic, key, type, payload, headers, created_at)
SELECT m.id, m.lane, $6 AND m.key IS NOT NULL, v.reason, v.attempts, v.error, v.class, v.fingerprint,
       m.message_id, m.biz_id, m.topic, m.key, m.type, m.payload, m.headers, m.created_at
FROM moved m
JOIN unnest($2::bigint[], $3::text[], $4::integer[], $5::text[], $7::text[], $8::text[])
    AS v (id, reason, attempts, error, class, fingerprint) ON v.id = m.id
