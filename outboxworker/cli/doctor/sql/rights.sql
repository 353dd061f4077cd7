-- rights: what the role that asks may not do, of what a relay does in schema $1, which is
-- quoted.
SELECT needed.text AS text
FROM (
    SELECT 'SELECT ON ' || $1 || '.migration' AS text, has_table_privilege($1 || '.migration', 'SELECT') AS granted
    UNION ALL
    SELECT p || ' ON ' || $1 || '.message', has_table_privilege($1 || '.message', p)
    FROM unnest(ARRAY['SELECT', 'DELETE']) AS p
    UNION ALL
    SELECT 'INSERT (' || c || ') ON ' || $1 || '.message', has_column_privilege($1 || '.message', c, 'INSERT')
    FROM unnest(ARRAY['message_id', 'biz_id', 'topic', 'key', 'type', 'payload', 'headers', 'created_at']) AS c
    UNION ALL
    SELECT p || ' ON ' || $1 || '.' || t, has_table_privilege($1 || '.' || t, p)
    FROM unnest(ARRAY['deferred', 'dead']) AS t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p
    UNION ALL
    SELECT p || ' ON ' || $1 || '.' || t, has_table_privilege($1 || '.' || t, p)
    FROM (VALUES ('paused_lane', 'SELECT'), ('delivered', 'INSERT')) AS v (t, p)
    UNION ALL
    SELECT 'EXECUTE ON FUNCTION ' || $1 || '.rotate_delivered(interval)',
           has_function_privilege($1 || '.rotate_delivered(interval)', 'EXECUTE')
    UNION ALL
    SELECT p || ' ON SEQUENCE ' || $1 || '.' || s, has_sequence_privilege($1 || '.' || s, p)
    FROM (VALUES ('message_id_seq', 'SELECT'), ('wake', 'SELECT'), ('wake', 'UPDATE')) AS v (s, p)
) AS needed
WHERE NOT needed.granted
