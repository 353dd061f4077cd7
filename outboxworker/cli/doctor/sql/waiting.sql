-- waiting: lanes of schema {schema} that an operator has paused, and for how long the first
-- message of each other lane has been due.
SELECT l.lane AS lane, p.paused_at AS paused_at, COALESCE(p.reason, '') AS reason,
       COALESCE(extract(epoch FROM clock_timestamp() - f.due_at), 0)::float8 AS overdue
FROM generate_series(0, 7) AS l (lane)
LEFT JOIN {schema}.paused_lane p ON p.lane = l.lane
LEFT JOIN LATERAL (SELECT due_at FROM {schema}.deferred
                   WHERE lane = l.lane AND due_at IS NOT NULL
                   ORDER BY lane, due_at LIMIT 1) AS f ON p.lane IS NULL
ORDER BY l.lane
