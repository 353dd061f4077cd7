-- verify_head_first: messages that are tried though an earlier one of their key is parked
-- behind them. One that came into deferred later is right there: producers of a key that do
-- not take turns may commit a lower id after a higher one has been refused. The second
-- allows for transactions that wait for the lane after they began.
SELECT format('position %s of key %s is tried before position %s', r.id, quote_literal(left(r.key, 100)), p.id)
FROM {schema}.deferred r
CROSS JOIN LATERAL (
    SELECT f.id, f.state, f.deferred_at FROM {schema}.deferred f
    WHERE f.lane = r.lane AND f.key = r.key AND f.state <> 'delayed'
    ORDER BY f.lane, f.key, f.id LIMIT 1
) AS p
WHERE r.state = 'retry' AND r.key IS NOT NULL
  AND p.id < r.id AND p.state = 'parked' AND p.deferred_at < r.deferred_at - interval '1 second'
  AND NOT EXISTS (SELECT FROM {schema}.dead x WHERE x.lane = r.lane AND x.key = r.key AND x.holds)
LIMIT $1
