-- columns: how the columns txid and id of the table of pending messages ($1) are made. The
-- sequence is found through its dependency on the identity column.
SELECT t.attnum < i.attnum                                              AS txid_first,
       COALESCE(pg_get_expr(d.adbin, d.adrelid), '')                    AS txid_default,
       i.attidentity::text                                              AS identity,
       COALESCE(s.seqcache, 0)                                          AS cache,
       COALESCE(s.seqincrement, 0)                                      AS increment,
       COALESCE(s.seqcycle, false)                                      AS cycles,
       EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = $1::regclass
               AND g.tgname = 'wake_relay' AND g.tgenabled IN ('O', 'A')) AS wakes
FROM pg_attribute t
JOIN pg_attribute i ON i.attrelid = t.attrelid AND i.attname = 'id' AND NOT i.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = t.attrelid AND d.adnum = t.attnum
LEFT JOIN pg_depend p ON p.classid = 'pg_class'::regclass AND p.refclassid = 'pg_class'::regclass
    AND p.refobjid = i.attrelid AND p.refobjsubid = i.attnum AND p.deptype = 'i'
LEFT JOIN pg_sequence s ON s.seqrelid = p.objid
WHERE t.attrelid = $1::regclass AND t.attname = 'txid' AND NOT t.attisdropped
