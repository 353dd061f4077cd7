-- claim: whether the lane was taken, by the statement before, and is not paused. Whoever
-- pauses it takes it first, so this statement, which sees what was committed before it
-- began, must begin when the lane is taken. The other statements of the batch read nothing
-- unless it was. It also reads what the low-water
-- mark needs: the last id drawn (by the function, which locks the sequence's page: SELECT
-- last_value reads without a lock, and sometimes what nextval is about to log, 32 ahead), which transactions run, and which server this is; and
-- whether the time of a waiting message has come, from the lane's floor $2 on, and its next
-- floor, which is $3 milliseconds ago at most.
SELECT set_config('outbox.claimed', (current_setting('outbox.claimed')::boolean
           AND NOT EXISTS (SELECT FROM {schema}.paused_lane WHERE lane = $1))::text, true)::boolean,
       COALESCE(pg_sequence_last_value('{schema}.message_id_seq'), 0),
       pg_current_snapshot()::text,
       pg_postmaster_start_time(), pg_backend_pid(),
       first.due_at IS NOT NULL, LEAST(first.due_at, now() - $3 * interval '1 millisecond')
FROM (SELECT) AS one
LEFT JOIN LATERAL (SELECT due_at FROM {schema}.deferred
                   WHERE lane = $1 AND due_at >= $2 AND due_at <= now()
                   ORDER BY lane, due_at LIMIT 1) AS first ON true
