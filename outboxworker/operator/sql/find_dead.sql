-- find_dead: dead messages.
-- {column} is what is looked at, {within} the lanes that it can be in.
SELECT 'dead', CASE WHEN m.replaying_at IS NULL THEN m.reason ELSE 'replaying' END, m.id, m.message_id, COALESCE(m.biz_id, ''), m.topic, m.key, m.type,
       COALESCE(m.replaying_at, m.died_at), NULL::timestamptz, m.attempts, m.class, COALESCE(m.last_error, ''), m.created_at
FROM {schema}.dead m
WHERE {within} {column} = $1
ORDER BY m.id LIMIT $2
