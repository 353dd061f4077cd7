-- verify_ids_drawn: the highest id of each place, if the sequence has not drawn it. The
-- sequence is read as it is now, which is never less than when the rows were seen.
SELECT format('position %s in %s, and the sequence is at %s', v.id, v.place, s.last)
FROM (
    SELECT (SELECT m.id FROM {schema}.message m WHERE m.lane = l.lane ORDER BY m.lane DESC, m.id DESC LIMIT 1) AS id, 'message' AS place
    FROM generate_series(0, 7) AS l (lane)
    UNION ALL
    SELECT max(id), 'deferred' FROM {schema}.deferred
    UNION ALL
    SELECT max(id), 'dead' FROM {schema}.dead
) AS v,
(SELECT COALESCE(pg_sequence_last_value('{schema}.message_id_seq'), 0) AS last) AS s
WHERE v.id > s.last
LIMIT $1
