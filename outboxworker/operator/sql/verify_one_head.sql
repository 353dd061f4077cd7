-- verify_one_head: keys of which several messages are tried.
SELECT format('key %s of lane %s has %s messages in state retry', quote_literal(left(key, 100)), lane, count(*))
FROM {schema}.deferred
WHERE state = 'retry' AND key IS NOT NULL
GROUP BY lane, key HAVING count(*) > 1
LIMIT $1
