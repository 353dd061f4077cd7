-- state: what the metrics show of an outbox. Of those that wait and of the dead, 100,000 are
-- counted. A key is blocked by the first of its messages, which is tried again, or by a dead
-- one that holds it; since when is since that one waits or is dead, but what waits on a paused
-- lane is not to blame. A key that two dead ones hold is one. What is overdue is the first of
-- each lane by its index, from the lane's floor ($1, by lanes) on, on lanes that are not
-- paused.
SELECT COALESCE(pg_sequence_last_value('{schema}.message_id_seq'), 0) AS seq,
       w.retry, w.parked, w.delayed, d.dead, d.held, d.replaying,
       w.blocked + d.blocked AS blocked,
       COALESCE(extract(epoch FROM clock_timestamp() - LEAST(w.since, d.since)), 0)::float8 AS blocked_seconds,
       GREATEST(COALESCE(extract(epoch FROM clock_timestamp() - o.due_at), 0), 0)::float8 AS overdue,
       (SELECT count(*) FROM {schema}.paused_lane) AS paused,
       pg_total_relation_size('{schema}.message') AS bytes,
       COALESCE((SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
                 WHERE backend_xid IS NOT NULL AND xact_start IS NOT NULL), 0)::float8 AS oldest_writer
FROM (SELECT count(*) FILTER (WHERE state = 'retry') AS retry, count(*) FILTER (WHERE state = 'parked') AS parked,
             count(*) FILTER (WHERE state = 'delayed') AS delayed,
             count(*) FILTER (WHERE state = 'retry' AND keyed) AS blocked,
             min(deferred_at) FILTER (WHERE state = 'retry' AND keyed AND lane NOT IN (SELECT lane FROM {schema}.paused_lane)) AS since
      FROM (SELECT lane, state, key IS NOT NULL AS keyed, deferred_at FROM {schema}.deferred LIMIT 100000) AS n) AS w,
     (SELECT count(*) AS dead, count(*) FILTER (WHERE holds) AS held, count(replaying_at) AS replaying,
             count(DISTINCT key) FILTER (WHERE holds) AS blocked, min(died_at) FILTER (WHERE holds) AS since
      FROM (SELECT holds, replaying_at, key, died_at FROM {schema}.dead LIMIT 100000) AS n) AS d,
     (SELECT min(f.due_at) AS due_at
      FROM (SELECT floor, n - 1 AS lane FROM unnest($1::timestamptz[]) WITH ORDINALITY AS u (floor, n)) AS l
      CROSS JOIN LATERAL (SELECT due_at FROM {schema}.deferred
                          WHERE lane = l.lane AND due_at >= l.floor
                          ORDER BY lane, due_at LIMIT 1) AS f
      WHERE NOT EXISTS (SELECT FROM {schema}.paused_lane p WHERE p.lane = l.lane)) AS o
