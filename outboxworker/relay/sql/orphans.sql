-- orphans: keys of which messages are parked though nothing of theirs is tried and no dead
-- one holds them. There should be none.
SELECT DISTINCT p.key
FROM {schema}.deferred p
WHERE p.lane = $1 AND p.key IS NOT NULL AND p.state <> 'delayed' AND p.state = 'parked'
  AND current_setting('outbox.claimed')::boolean
  AND NOT EXISTS (SELECT FROM {schema}.deferred r
                  WHERE r.lane = $1 AND r.key = p.key AND r.state <> 'delayed' AND r.state = 'retry')
  AND NOT EXISTS (SELECT FROM {schema}.dead x WHERE x.lane = $1 AND x.key = p.key AND x.holds)
LIMIT 1000
