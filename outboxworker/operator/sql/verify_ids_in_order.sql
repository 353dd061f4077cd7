-- verify_ids_in_order: what is not as the low-water mark's proof needs it.
SELECT format('%s is %s and must be %s', v.what, v.is, v.must)
FROM (
    SELECT 'the kind of identity of id' AS what, COALESCE(quote_literal(a.attidentity::text), 'missing') AS is, '''a'', for always' AS must, a.attidentity::text = 'a' AS ok
    FROM (VALUES (1)) AS one (n)
    LEFT JOIN pg_attribute a ON a.attrelid = '{schema}.message'::regclass AND a.attname = 'id' AND NOT a.attisdropped
    UNION ALL
    SELECT 'the place of txid', 'column ' || t.attnum, 'before id, which is ' || i.attnum, t.attnum < i.attnum
    FROM pg_attribute t, pg_attribute i
    WHERE t.attrelid = '{schema}.message'::regclass AND t.attname = 'txid' AND i.attrelid = t.attrelid AND i.attname = 'id'
    UNION ALL
    SELECT 'the default of txid', COALESCE(pg_get_expr(d.adbin, d.adrelid), 'missing'), 'pg_current_xact_id()',
           COALESCE(pg_get_expr(d.adbin, d.adrelid) = 'pg_current_xact_id()', false)
    FROM (VALUES (1)) AS one (n)
    LEFT JOIN (pg_attribute t JOIN pg_attrdef d ON d.adrelid = t.attrelid AND d.adnum = t.attnum)
        ON t.attrelid = '{schema}.message'::regclass AND t.attname = 'txid'
    UNION ALL
    SELECT 'the cache of the sequence', seqcache::text, '1', seqcache = 1
    FROM pg_sequence WHERE seqrelid = '{schema}.message_id_seq'::regclass
    UNION ALL
    SELECT 'the increment of the sequence', seqincrement::text, '1', seqincrement = 1
    FROM pg_sequence WHERE seqrelid = '{schema}.message_id_seq'::regclass
    UNION ALL
    SELECT 'whether the sequence begins again at its end', seqcycle::text, 'false', NOT seqcycle
    FROM pg_sequence WHERE seqrelid = '{schema}.message_id_seq'::regclass
) AS v
WHERE v.ok IS NOT TRUE
LIMIT $1
