-- stats: what there is in an outbox. Of each lane's pending messages 12,500 are counted along
-- index (lane, id); beyond that they are as dense as those, which is an estimate. The oldest
-- is the oldest of the first of each lane.
WITH lane AS MATERIALIZED (
    SELECT l.lane, c.n, c.first, f.created_at,
           CASE WHEN c.n < 12500 THEN c.n ELSE c.n * ((t.top - c.first + 1)::float8 / (c.last - c.first + 1)) END AS pending
    FROM generate_series(0, 7) AS l (lane)
    CROSS JOIN LATERAL (
        SELECT count(*) AS n, min(id) AS first, max(id) AS last
        FROM (SELECT id FROM {schema}.message m WHERE m.lane = l.lane ORDER BY m.lane, m.id LIMIT 12500) AS m
    ) AS c
    LEFT JOIN LATERAL (
        SELECT id AS top FROM {schema}.message m WHERE m.lane = l.lane ORDER BY m.lane DESC, m.id DESC LIMIT 1
    ) AS t ON true
    LEFT JOIN {schema}.message f ON f.lane = l.lane AND f.id = c.first
)
SELECT clock_timestamp(),
       (SELECT sum(pending)::bigint FROM lane), (SELECT bool_or(n = 12500) FROM lane), (SELECT min(created_at) FROM lane),
       w.retry, w.parked, w.delayed, w.next, w.overdue,
       COALESCE(extract(epoch FROM clock_timestamp() - w.overdue_since), 0)::float8,
       d.dead, d.replaying,
       (SELECT count(*) FROM (
           SELECT lane, key FROM {schema}.deferred WHERE key IS NOT NULL AND state <> 'delayed'
           UNION SELECT lane, key FROM {schema}.dead WHERE holds) AS k),
       ARRAY(SELECT lane FROM {schema}.paused_lane ORDER BY lane),
       pg_total_relation_size('{schema}.message'), pg_total_relation_size('{schema}.deferred'),
       pg_total_relation_size('{schema}.dead'),
       (SELECT COALESCE(sum(pg_total_relation_size(relid)), 0)::bigint FROM pg_partition_tree('{schema}.delivered')),
       pg_total_relation_size('{schema}.audit')
FROM (
    SELECT count(*) FILTER (WHERE m.state = 'retry') AS retry, count(*) FILTER (WHERE m.state = 'parked') AS parked,
           count(*) FILTER (WHERE m.state = 'delayed') AS delayed, min(m.due_at) FILTER (WHERE m.due_at > now()) AS next,
           count(*) FILTER (WHERE m.due_at <= now() AND p.lane IS NULL) AS overdue,
           min(m.due_at) FILTER (WHERE m.due_at <= now() AND p.lane IS NULL) AS overdue_since
    FROM {schema}.deferred m LEFT JOIN {schema}.paused_lane p ON p.lane = m.lane
) AS w,
(SELECT count(*) AS dead, count(replaying_at) AS replaying FROM {schema}.dead) AS d
