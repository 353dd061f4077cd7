-- state: what the metrics show of an outbox. Counts end at 100,000.
SELECT COALESCE(pg_sequence_last_value('{schema}.message_id_seq'), 0),
       (SELECT count(*) FROM (SELECT FROM {schema}.deferred WHERE state = 'retry' LIMIT 100000) AS n),
       (SELECT count(*) FROM (SELECT FROM {schema}.deferred WHERE state = 'parked' LIMIT 100000) AS n),
       (SELECT count(*) FROM (SELECT FROM {schema}.deferred WHERE state = 'delayed' LIMIT 100000) AS n),
       (SELECT count(*) FROM (SELECT FROM {schema}.dead LIMIT 100000) AS n),
       (SELECT count(*) FROM (SELECT FROM {schema}.dead WHERE holds LIMIT 100000) AS n),
       pg_total_relation_size('{schema}.message'),
       COALESCE((SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
                 WHERE backend_xid IS NOT NULL AND xact_start IS NOT NULL), 0)::float8
