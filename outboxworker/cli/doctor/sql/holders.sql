-- holders: the oldest of each kind of what keeps dead rows from being removed, or
-- ($1, this database) messages from being found quickly. Transactions of other roles
-- are shown to members of pg_read_all_stats alone.
(SELECT 'prepared' AS kind, 'prepared transaction ' || quote_literal(gid) AS what,
        extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds
 FROM pg_prepared_xacts ORDER BY prepared LIMIT 1)
UNION ALL
(SELECT 'writing', format('process %s of %s (%s)', pid, usename, state),
        extract(epoch FROM clock_timestamp() - xact_start)::float8
 FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
 ORDER BY xact_start LIMIT 1)
UNION ALL
(SELECT 'snapshot', format('process %s of %s (%s)', pid, usename, state),
        extract(epoch FROM clock_timestamp() - xact_start)::float8
 FROM pg_stat_activity
 WHERE backend_xmin IS NOT NULL AND xact_start IS NOT NULL AND datname = $1
   AND pid <> pg_backend_pid() AND backend_type = 'client backend'
 ORDER BY xact_start LIMIT 1)
UNION ALL
(SELECT 'slot', 'replication slot ' || quote_literal(slot_name), NULL
 FROM pg_replication_slots WHERE xmin IS NOT NULL AND NOT active ORDER BY age(xmin) DESC LIMIT 1)
