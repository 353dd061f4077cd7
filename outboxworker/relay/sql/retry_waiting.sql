-- retry_waiting: lets refused messages wait once more, $5 milliseconds each. One that was
-- parked and is refused now is the first of its key.
UPDATE {schema}.deferred d
SET state = 'retry', attempts = v.attempts, last_error = v.error, class = v.class,
    due_at = clock_timestamp() + v.wait * interval '1 millisecond'
FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::bigint[], $6::text[]) AS v (id, attempts, error, wait, class)
WHERE d.lane = $1 AND d.id = v.id
