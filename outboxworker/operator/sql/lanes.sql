-- lanes: each lane with what is in it, who holds its lock ($1, in their order), and whether
-- it is paused. Of pending messages 10,000 are counted along index (lane, id); beyond that
-- they are as dense as those, which is an estimate.
WITH held AS MATERIALIZED (
    SELECT (l.classid::bigint << 32) | l.objid::bigint AS key, l.pid, COALESCE(a.application_name, '') AS application
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT (n.ord - 1)::smallint AS lane,
       CASE WHEN c.n < 10000 THEN c.n ELSE (c.n * ((t.top - c.first + 1)::float8 / (c.last - c.first + 1)))::bigint END AS pending,
       c.n = 10000 AS estimated,
       (SELECT count(*) FROM (SELECT FROM {schema}.deferred d WHERE d.lane = n.ord - 1 LIMIT 10000) AS w) AS waiting,
       (SELECT count(*) FROM (SELECT FROM {schema}.dead x WHERE x.lane = n.ord - 1 AND x.holds LIMIT 10000) AS x) AS held,
       COALESCE(h.pid, 0) AS holder, COALESCE(h.application, '') AS application,
       p.paused_at, COALESCE(p.reason, '') AS paused_for
FROM unnest($1::bigint[]) WITH ORDINALITY AS n (key, ord)
CROSS JOIN LATERAL (
    SELECT count(*) AS n, min(id) AS first, max(id) AS last
    FROM (SELECT id FROM {schema}.message m WHERE m.lane = n.ord - 1 ORDER BY m.lane, m.id LIMIT 10000) AS m
) AS c
LEFT JOIN LATERAL (
    SELECT id AS top FROM {schema}.message m WHERE m.lane = n.ord - 1 ORDER BY m.lane DESC, m.id DESC LIMIT 1
) AS t ON true
LEFT JOIN LATERAL (SELECT pid, application FROM held WHERE held.key = n.key LIMIT 1) AS h ON true
LEFT JOIN {schema}.paused_lane p ON p.lane = n.ord - 1
ORDER BY n.ord
