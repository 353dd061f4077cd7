-- pending: for how long the first message of those lanes of schema {schema} has been pending
-- that no operator has paused. Index (lane, id) finds them.
SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - f.created_at)), 0)::float8 AS seconds
FROM generate_series(0, 7) AS l (lane)
CROSS JOIN LATERAL (SELECT created_at FROM {schema}.message WHERE lane = l.lane ORDER BY lane, id LIMIT 1) AS f
WHERE NOT EXISTS (SELECT FROM {schema}.paused_lane p WHERE p.lane = l.lane)
