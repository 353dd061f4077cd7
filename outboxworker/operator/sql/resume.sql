-- resume: ends the pause of lane $1, if it is paused, for a reason, $2, and records run $3 of
-- actor $4.
WITH resumed AS (
    DELETE FROM {schema}.paused_lane WHERE lane = $1 RETURNING lane
)
INSERT INTO {schema}.audit (run, actor, action, filter, reason, messages)
SELECT $3, COALESCE(NULLIF($4, ''), session_user), 'resume', jsonb_build_object('lane', lane), $2, 0 FROM resumed
