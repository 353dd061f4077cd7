-- park: lets a message of key $3 that is to be tried again wait behind another of its key that
-- is, if it is $2, or that a dead one holds, if it is $2 or the first. There are such only if
-- somebody had the lane since the batch was read. One that is only parked is nothing to wait
-- behind: one with a lower id may have been committed later.
UPDATE {schema}.deferred d
SET state = 'parked', due_at = NULL
WHERE d.lane = $1 AND d.key = $3 AND d.state <> 'delayed' AND d.state = 'retry'
  AND d.id IN ($2, (SELECT id FROM {schema}.deferred WHERE lane = $1 AND key = $3 AND state <> 'delayed' ORDER BY lane, key, id LIMIT 1))
  AND (d.id = $2 AND EXISTS (SELECT FROM {schema}.deferred e
                             WHERE e.lane = $1 AND e.key = $3 AND e.state = 'retry' AND e.id <> d.id)
       OR EXISTS (SELECT FROM {schema}.dead x WHERE x.lane = $1 AND x.key = $3 AND x.holds))
