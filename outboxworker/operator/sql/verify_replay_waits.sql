-- verify_replay_waits: dead messages that are marked as replayed, and are not.
SELECT format('message %s (position %s) is being replayed since %s', d.message_id, d.id, d.replaying_at)
FROM {schema}.dead d
WHERE d.replaying_at IS NOT NULL AND NOT EXISTS (SELECT FROM {schema}.deferred w WHERE w.id = d.id)
LIMIT $1
