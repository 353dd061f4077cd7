-- forget: removes delivered messages. By place, which costs no look into an index; the id
-- makes sure that it is still the row that was read.
DELETE FROM {schema}.message m
USING unnest($1::tid[], $2::bigint[]) AS d (place, id)
WHERE m.ctid = d.place AND m.id = d.id
