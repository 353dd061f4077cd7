-- verify_one_place: messages in two places. Positions tell messages apart; a producer may
-- enqueue one message_id twice. There are few of those that wait or died, and each is
-- looked up by index (lane, id) among the pending ones.
SELECT format('message %s (position %s) is in %s', v.message_id, v.id, v.places)
FROM (
    SELECT d.id, d.message_id, 'deferred and message' AS places
    FROM {schema}.deferred d WHERE EXISTS (SELECT FROM {schema}.message m WHERE m.lane = d.lane AND m.id = d.id)
    UNION ALL
    SELECT d.id, d.message_id, 'dead and message'
    FROM {schema}.dead d WHERE EXISTS (SELECT FROM {schema}.message m WHERE m.lane = d.lane AND m.id = d.id)
    UNION ALL
    SELECT d.id, d.message_id, 'dead and deferred'
    FROM {schema}.dead d WHERE d.replaying_at IS NULL AND EXISTS (SELECT FROM {schema}.deferred w WHERE w.id = d.id)
) AS v
LIMIT $1
