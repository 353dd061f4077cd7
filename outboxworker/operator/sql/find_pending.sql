-- find_pending: pending messages.
-- {column} is what is looked at, {within} the lanes that it can be in.
SELECT 'pending', CASE WHEN m.deliver_after > now() THEN 'delayed' ELSE '' END, m.id, m.message_id, COALESCE(m.biz_id, ''), m.topic, m.key, m.type,
       m.created_at, CASE WHEN m.deliver_after > now() THEN m.deliver_after END, 0, '', '', m.created_at
FROM {schema}.message m
WHERE {within} {column} = $1
ORDER BY m.id LIMIT $2
