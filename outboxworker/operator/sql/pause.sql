-- pause: pauses lane $1 for a reason, $2, unless it is, and records run $3 of actor $4.
WITH paused AS (
    INSERT INTO {schema}.paused_lane (lane, reason) VALUES ($1, $2) ON CONFLICT (lane) DO NOTHING RETURNING lane
)
INSERT INTO {schema}.audit (run, actor, action, filter, reason, messages)
SELECT $3, COALESCE(NULLIF($4, ''), session_user), 'pause', jsonb_build_object('lane', lane), $2, 0 FROM paused
