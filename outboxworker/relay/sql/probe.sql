-- probe: which of the lanes $1 have something to do: an id above what is known of them ($2),
-- a transaction that ended and may have written below that ($3 and $4, lanes and xids), or a
-- waiting message whose time has come, from the lane's floor ($5) on. A paused lane has nothing to do. Scalar subqueries with a limit, since for an EXISTS
-- the planner may read a whole table.
SELECT l.lane
FROM unnest($1::smallint[], $2::bigint[], $5::timestamptz[]) AS l (lane, low, floor)
WHERE NOT COALESCE((SELECT true FROM {schema}.paused_lane p WHERE p.lane = l.lane), false)
 AND (COALESCE((SELECT true FROM {schema}.message m
                WHERE m.lane = l.lane AND m.id > l.low ORDER BY m.lane, m.id LIMIT 1), false)
   OR COALESCE((SELECT true FROM {schema}.deferred d
                WHERE d.lane = l.lane AND d.due_at >= l.floor AND d.due_at <= now() ORDER BY d.lane, d.due_at LIMIT 1), false)
   OR COALESCE((SELECT true FROM unnest($3::smallint[], $4::text[]) AS x (lane, xid)
                WHERE x.lane = l.lane AND pg_visible_in_snapshot(x.xid::xid8, pg_current_snapshot()) LIMIT 1), false))
