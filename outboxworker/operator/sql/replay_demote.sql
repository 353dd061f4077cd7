-- replay_demote: parks the message of each key that is tried now, if a dead one that is to
-- be replayed comes before it. Only one of a key is tried: index deferred_head finds it.
UPDATE {schema}.deferred d
SET state = 'parked', due_at = NULL
FROM (
    SELECT h.id
    FROM (SELECT key, min(id) AS first FROM {schema}.dead
          WHERE lane = $1 AND id = ANY ($2::bigint[]) AND key IS NOT NULL GROUP BY key) AS k
    CROSS JOIN LATERAL (
        SELECT id FROM {schema}.deferred WHERE lane = $1 AND key = k.key AND state = 'retry'
    ) AS h
    WHERE h.id > k.first
) AS head
WHERE d.lane = $1 AND d.id = head.id
