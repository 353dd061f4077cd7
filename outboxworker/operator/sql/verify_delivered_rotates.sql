-- verify_delivered_rotates: partitions that are older than the longest keep_delivered, 168
-- hours, and the hours that pass until one is dropped; and tables that look like one and are
-- not attached.
SELECT format('%s %s', c.relname, CASE WHEN i.inhrelid IS NULL THEN 'is not attached'
              ELSE 'is of ' || to_char(h.starts, 'YYYY-MM-DD HH24:00') || ' UTC' END)
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = '{schema}.delivered'::regclass
CROSS JOIN LATERAL (SELECT to_timestamp(substr(c.relname, 11) || ' +00', 'YYYYMMDDHH24 TZH') AT TIME ZONE 'UTC' AS starts) AS h
WHERE c.relnamespace = to_regnamespace('{schema}') AND c.relkind = 'r' AND c.relname ~ '^delivered_[0-9]{10}$'
  AND (i.inhrelid IS NULL OR h.starts < (now() AT TIME ZONE 'UTC') - interval '171 hours')
LIMIT $1
