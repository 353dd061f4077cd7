-- groups: dead messages by what they died of. The sample is the error of the last one.
SELECT g.fingerprint, g.class, g.reason, g.count, g.topics[1:20], g.first, g.last, g.replaying,
       COALESCE((SELECT x.last_error FROM {schema}.dead x WHERE x.id = g.sample), '')
FROM (
    SELECT m.fingerprint, m.class, m.reason, count(*) AS count, array_agg(DISTINCT m.topic) AS topics,
           min(m.died_at) AS first, max(m.died_at) AS last, count(m.replaying_at) AS replaying, max(m.id) AS sample
    FROM {schema}.dead m
    WHERE %s
    GROUP BY m.fingerprint, m.class, m.reason
) AS g
ORDER BY g.count DESC, g.last DESC, g.fingerprint, g.class, g.reason LIMIT 1000
