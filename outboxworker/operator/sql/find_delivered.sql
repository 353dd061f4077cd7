-- find_delivered: messages that were delivered, of which there is a note.
-- {column} is what is looked at, {within} the lanes that it can be in.
SELECT 'delivered', '', m.id, m.message_id, COALESCE(m.biz_id, ''), m.topic, m.key, m.type,
       m.delivered_at, NULL::timestamptz, m.attempts, '', '', m.created_at
FROM {schema}.delivered m
WHERE {within} {column} = $1
ORDER BY m.id LIMIT $2
