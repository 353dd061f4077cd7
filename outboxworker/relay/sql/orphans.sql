-- orphans: keys of which messages are parked though nothing of theirs is tried and no dead
-- one holds them. There should be none. Of each key one row is read, by index (lane, key,
-- id), and what may hold it is looked up by scalar subqueries with a limit: for an EXISTS the
-- planner, who takes those that wait for few, may compare each of them with each.
WITH RECURSIVE parked AS (
    (SELECT key FROM {schema}.deferred
     WHERE lane = $1 AND key IS NOT NULL AND state <> 'delayed'
     ORDER BY lane, key LIMIT 1)
    UNION ALL
    SELECT n.key FROM parked p CROSS JOIN LATERAL (
        SELECT key FROM {schema}.deferred
        WHERE lane = $1 AND key > p.key AND state <> 'delayed'
        ORDER BY lane, key LIMIT 1) AS n
)
SELECT key FROM parked
WHERE current_setting('outbox.claimed')::boolean
  AND NOT COALESCE((SELECT true FROM {schema}.deferred r
                    WHERE r.lane = $1 AND r.key = parked.key AND r.state = 'retry' LIMIT 1), false)
  AND NOT COALESCE((SELECT true FROM {schema}.dead x WHERE x.lane = $1 AND x.key = parked.key AND x.holds LIMIT 1), false)
LIMIT 1000
