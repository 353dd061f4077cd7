-- verify_delivered_is_gone: messages that wait or died, and of which there is a note that they
-- were delivered.
SELECT format('message %s (position %s) is in %s', v.message_id, v.id, v.place)
FROM (
    SELECT id, message_id, 'deferred' AS place FROM {schema}.deferred
    UNION ALL
    SELECT id, message_id, 'dead' FROM {schema}.dead
) AS v
WHERE EXISTS (SELECT FROM {schema}.delivered g WHERE g.id = v.id)
LIMIT $1
