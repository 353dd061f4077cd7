-- forget_waiting: removes delivered messages from those that waited.
DELETE FROM {schema}.deferred WHERE lane = $1 AND id = ANY ($2::bigint[])
