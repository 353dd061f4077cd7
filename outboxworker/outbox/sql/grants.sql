-- What each role may do, and no more. Granting it again changes nothing.
GRANT USAGE ON SCHEMA {schema} TO {producer}, {worker}, {operator};

-- A producer enqueues. It may choose neither txid nor id, lane or created_at, on which
-- order and the relay's low-water mark rest. It reads message_id for RETURNING, and wake
-- in the trigger, which runs with its rights.
GRANT INSERT (message_id, biz_id, topic, key, type, payload, headers, deliver_after), SELECT (message_id)
    ON {schema}.message TO {producer};
GRANT SELECT ON SEQUENCE {schema}.wake TO {producer};
GRANT EXECUTE ON FUNCTION {schema}.enqueue(text, bytea, text, text, jsonb, text, uuid, timestamptz),
    {schema}.enqueue(text, text, text, text, jsonb, text, uuid, timestamptz),
    {schema}.enqueue(text, jsonb, text, text, jsonb, text, uuid, timestamptz) TO {producer}, {operator};

-- A worker moves messages. It puts delayed ones back, with the time they were created.
GRANT SELECT ON {schema}.migration TO {worker};
GRANT SELECT, DELETE, INSERT (message_id, biz_id, topic, key, type, payload, headers, created_at, deliver_after)
    ON {schema}.message TO {worker};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.deferred, {schema}.dead TO {worker};
GRANT SELECT ON SEQUENCE {schema}.message_id_seq TO {worker};
GRANT SELECT, UPDATE ON SEQUENCE {schema}.wake TO {worker};
GRANT SELECT ON {schema}.paused_lane TO {worker};
GRANT INSERT ON {schema}.delivered TO {worker};
GRANT EXECUTE ON FUNCTION {schema}.rotate_delivered(interval) TO {worker};

-- An operator sees everything, decides about messages that wait or died, and may put
-- them back.
GRANT SELECT ON {schema}.migration, {schema}.message, {schema}.deferred, {schema}.dead TO {operator};
GRANT SELECT ON SEQUENCE {schema}.message_id_seq, {schema}.wake TO {operator};
GRANT INSERT (message_id, biz_id, topic, key, type, payload, headers, created_at, deliver_after)
    ON {schema}.message TO {operator};
GRANT INSERT, UPDATE, DELETE ON {schema}.deferred, {schema}.dead TO {operator};
GRANT SELECT, INSERT, DELETE ON {schema}.paused_lane TO {operator};
GRANT SELECT ON {schema}.delivered TO {operator};
-- What is written to the audit stays, with its time and its login.
GRANT SELECT, INSERT (run, actor, action, filter, reason, messages, message_ids) ON {schema}.audit TO {operator};
