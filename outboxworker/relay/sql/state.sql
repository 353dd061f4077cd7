-- state: what the metrics show of an outbox. Of those that wait and of the dead, 100,000 are
-- counted.
SELECT COALESCE(pg_sequence_last_value('{schema}.message_id_seq'), 0),
       w.retry, w.parked, w.delayed, d.dead, d.held,
       pg_total_relation_size('{schema}.message'),
       COALESCE((SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
                 WHERE backend_xid IS NOT NULL AND xact_start IS NOT NULL), 0)::float8
FROM (SELECT count(*) FILTER (WHERE state = 'retry') AS retry, count(*) FILTER (WHERE state = 'parked') AS parked,
             count(*) FILTER (WHERE state = 'delayed') AS delayed
      FROM (SELECT state FROM {schema}.deferred LIMIT 100000) AS n) AS w,
     (SELECT count(*) AS dead, count(*) FILTER (WHERE holds) AS held
      FROM (SELECT holds FROM {schema}.dead LIMIT 100000) AS n) AS d
