-- find_deferred: messages that wait.
-- {column} is what is looked at, {within} the lanes that it can be in.
SELECT 'deferred', m.state, m.id, m.message_id, COALESCE(m.biz_id, ''), m.topic, m.key, m.type,
       m.deferred_at, m.due_at, m.attempts, m.class, COALESCE(m.last_error, ''), m.created_at
FROM {schema}.deferred m
WHERE {within} {column} = $1
ORDER BY m.id LIMIT $2
