-- bury_waiting: moves messages from those that waited to the dead. One that was replayed
-- still has its row there, and dies once more; its attempts add up.
WITH moved AS (
    DELETE FROM {schema}.deferred d WHERE d.lane = $1 AND d.id = ANY ($2::bigint[]) RETURNING d.*
)
INSERT INTO {schema}.dead (id, lane, holds, reason, attempts, last_error, class, fingerprint,
    message_id, biz_id, topic, key, type, payload, headers, created_at)
SELECT m.id, m.lane, $6 AND m.key IS NOT NULL, v.reason, v.attempts, v.error, v.class, v.fingerprint,
       m.message_id, m.biz_id, m.topic, m.key, m.type, m.payload, m.headers, m.created_at
FROM moved m
JOIN unnest($2::bigint[], $3::text[], $4::integer[], $5::text[], $7::text[], $8::text[])
    AS v (id, reason, attempts, error, class, fingerprint) ON v.id = m.id
ON CONFLICT (id) DO UPDATE
SET replaying_at = NULL, holds = EXCLUDED.holds, reason = EXCLUDED.reason, died_at = now(),
    attempts = dead.attempts + EXCLUDED.attempts,
    last_error = EXCLUDED.last_error, class = EXCLUDED.class, fingerprint = EXCLUDED.fingerprint
