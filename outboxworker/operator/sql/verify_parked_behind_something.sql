-- verify_parked_behind_something: keys of which all messages are parked though no dead one
-- holds them.
SELECT format('key %s of lane %s has %s messages that are parked behind nothing', quote_literal(left(p.key, 100)), p.lane, count(*))
FROM {schema}.deferred p
WHERE p.state = 'parked'
  AND NOT EXISTS (SELECT FROM {schema}.deferred r WHERE r.lane = p.lane AND r.key = p.key AND r.state = 'retry')
  AND NOT EXISTS (SELECT FROM {schema}.dead x WHERE x.lane = p.lane AND x.key = p.key AND x.holds)
GROUP BY p.lane, p.key
LIMIT $1
