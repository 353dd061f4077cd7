-- verify_lane_of_key: messages in a lane that is not that of their key. Of pending ones, whose
-- lanes are computed, the first 1,000 of each lane are looked at.
SELECT format('position %s in %s is in lane %s, and its key in lane %s', v.id, v.place, v.lane, v.want)
FROM (
    SELECT id, lane, 'deferred' AS place, CASE WHEN key IS NULL THEN id & 7 ELSE hashtextextended(key, 0) & 7 END AS want
    FROM {schema}.deferred
    UNION ALL
    SELECT id, lane, 'dead', CASE WHEN key IS NULL THEN id & 7 ELSE hashtextextended(key, 0) & 7 END
    FROM {schema}.dead
    UNION ALL
    SELECT m.id, m.lane, 'message', CASE WHEN m.key IS NULL THEN m.id & 7 ELSE hashtextextended(m.key, 0) & 7 END
    FROM generate_series(0, 7) AS l (lane)
    CROSS JOIN LATERAL (
        SELECT id, lane, key FROM {schema}.message WHERE lane = l.lane ORDER BY lane, id LIMIT 1000
    ) AS m
) AS v
WHERE v.lane <> v.want
LIMIT $1
