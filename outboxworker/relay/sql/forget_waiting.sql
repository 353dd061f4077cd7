-- forget_waiting: removes delivered messages from those that waited, and from the dead
-- those of them that were replayed.
WITH gone AS (
    DELETE FROM {schema}.deferred WHERE lane = $1 AND id = ANY ($2::bigint[]) RETURNING id
)
DELETE FROM {schema}.dead d USING gone g WHERE d.id = g.id AND d.replaying_at IS NOT NULL
