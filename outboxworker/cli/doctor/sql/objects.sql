-- objects: what schema $1, which is quoted, lacks of the tables, columns and functions that
-- relays and operators use.
SELECT needed.text AS text
FROM (
    SELECT 'the table ' || t AS text, to_regclass($1 || '.' || t) IS NOT NULL AS there
    FROM unnest(ARRAY['message', 'deferred', 'dead', 'paused_lane', 'audit', 'delivered']) AS t
    UNION ALL
    SELECT 'the sequence ' || s, to_regclass($1 || '.' || s) IS NOT NULL FROM unnest(ARRAY['message_id_seq', 'wake']) AS s
    UNION ALL
    SELECT 'the column ' || t || '.' || c,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass($1 || '.' || t) AND a.attname = c AND NOT a.attisdropped)
    FROM (VALUES ('deferred', 'class'), ('dead', 'class'), ('dead', 'fingerprint'), ('dead', 'replaying_at'), ('dead', 'replays')) AS v (t, c)
    UNION ALL
    SELECT 'the function rotate_delivered', to_regprocedure($1 || '.rotate_delivered(interval)') IS NOT NULL
) AS needed
WHERE NOT needed.there
