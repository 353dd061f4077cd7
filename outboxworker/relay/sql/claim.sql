-- claim: takes the lane, if nobody has it, until the transaction ends. The other
-- statements of the batch read nothing unless it did. It also reads what the low-water
-- mark needs: the last id drawn, which transactions run, and which server this is; and
-- whether the time of a waiting message has come.
SELECT set_config('outbox.claimed', pg_try_advisory_xact_lock($1)::text, true)::boolean,
       (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {schema}.message_id_seq),
       pg_current_snapshot()::text,
       pg_postmaster_start_time(), pg_backend_pid(),
       (SELECT last_value = 1 FROM {schema}.wake),
       EXISTS (SELECT FROM {schema}.deferred WHERE lane = $2 AND due_at <= now())
