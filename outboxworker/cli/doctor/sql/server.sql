-- server: what kind of server answers, and how durable it is.
SELECT current_setting('server_version_num')::integer AS number,
       current_setting('server_version')              AS version,
       pg_is_in_recovery()                            AS standby,
       current_setting('fsync')                       AS fsync,
       current_setting('full_page_writes')            AS full_page_writes,
       current_setting('synchronous_commit')          AS synchronous_commit,
       current_user::text                             AS role,
       current_database()::text                       AS database,
       pg_backend_pid()                               AS pid,
       clock_timestamp()                              AS clock,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
       current_setting('max_connections')::integer
           - current_setting('superuser_reserved_connections')::integer
           - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' OR backend_type IS NULL)::integer AS free
