-- discard: removes dead messages, and the copies of those that are being replayed.
WITH gone AS (
    DELETE FROM {schema}.dead d WHERE d.lane = $1 AND d.id = ANY ($2::bigint[])
    RETURNING d.id, d.replaying_at
)
DELETE FROM {schema}.deferred d
USING gone g
WHERE d.lane = $1 AND d.id = g.id AND g.replaying_at IS NOT NULL
