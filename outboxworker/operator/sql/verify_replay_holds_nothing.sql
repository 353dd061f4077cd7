-- verify_replay_holds_nothing: dead messages that are replayed and hold their keys.
SELECT format('message %s (position %s)', d.message_id, d.id)
FROM {schema}.dead d
WHERE d.replaying_at IS NOT NULL AND d.holds
LIMIT $1
