-- claim: whether the lane was taken, by the statement before, and is not paused. Whoever
-- pauses it takes it first, so this statement, which sees what was committed before it
-- began, must begin when the lane is taken. The other statements of the batch read nothing
-- unless it was. It also reads what the low-water
-- mark needs: the last id drawn (by the function, which locks the sequence's page: SELECT
-- last_value reads without a lock, and sometimes what nextval is about to log, 32 ahead), which transactions run, and which server this is; and
-- whether the time of a waiting message has come.
SELECT set_config('outbox.claimed', (current_setting('outbox.claimed')::boolean
           AND NOT EXISTS (SELECT FROM {schema}.paused_lane WHERE lane = $1))::text, true)::boolean,
       COALESCE(pg_sequence_last_value('{schema}.message_id_seq'), 0),
       pg_current_snapshot()::text,
       pg_postmaster_start_time(), pg_backend_pid(),
       EXISTS (SELECT FROM {schema}.deferred WHERE lane = $1 AND due_at <= now())
