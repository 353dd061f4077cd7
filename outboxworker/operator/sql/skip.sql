-- skip: moves messages from those that wait to the dead. One that was being replayed is
-- dead already, and no longer replayed then.
WITH moved AS (
    DELETE FROM {schema}.deferred d WHERE d.lane = $1 AND d.id = ANY ($2::bigint[]) RETURNING d.*
)
INSERT INTO {schema}.dead (id, lane, holds, reason, attempts, last_error, class, fingerprint,
    message_id, biz_id, topic, key, type, payload, headers, created_at)
SELECT m.id, m.lane, false, 'skipped', m.attempts, m.last_error, m.class, v.fingerprint,
       m.message_id, m.biz_id, m.topic, m.key, m.type, m.payload, m.headers, m.created_at
FROM moved m
JOIN unnest($2::bigint[], $3::text[]) AS v (id, fingerprint) ON v.id = m.id
ON CONFLICT (id) DO UPDATE
SET reason = excluded.reason, attempts = dead.attempts + excluded.attempts, last_error = excluded.last_error,
    class = excluded.class, fingerprint = excluded.fingerprint, died_at = now(), holds = false, replaying_at = NULL
