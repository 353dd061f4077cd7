-- promote: makes the first parked message of each key of $2 the one that is tried next,
-- unless another of its key is, or a dead one holds it. Scalar subqueries with a limit: for
-- an EXISTS the planner may read all that is tried, or dead, in the lane.
UPDATE {schema}.deferred d
SET state = 'retry', due_at = clock_timestamp()
FROM (
    SELECT f.id
    FROM (SELECT DISTINCT key FROM unnest($2::text[]) AS u (key)) AS k
    CROSS JOIN LATERAL (
        SELECT id, state FROM {schema}.deferred
        WHERE lane = $1 AND key = k.key AND state <> 'delayed'
        ORDER BY lane, key, id LIMIT 1
    ) AS f
    WHERE f.state = 'parked'
      AND NOT COALESCE((SELECT true FROM {schema}.deferred r
                        WHERE r.lane = $1 AND r.key = k.key AND r.state = 'retry' LIMIT 1), false)
      AND NOT COALESCE((SELECT true FROM {schema}.dead x WHERE x.lane = $1 AND x.key = k.key AND x.holds LIMIT 1), false)
) AS next
WHERE d.lane = $1 AND d.id = next.id
