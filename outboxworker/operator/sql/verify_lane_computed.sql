-- verify_lane_computed: a column lane that is not generated from the key and the id.
SELECT format('the column lane is %s', COALESCE('generated as ' || pg_get_expr(d.adbin, d.adrelid), 'not generated'))
FROM (VALUES (1)) AS one (n)
LEFT JOIN (pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = 's')
    ON a.attrelid = '{schema}.message'::regclass AND a.attname = 'lane'
WHERE regexp_replace(pg_get_expr(d.adbin, d.adrelid), '\s+|::(bigint|smallint)|[()]', '', 'g')
      IS DISTINCT FROM 'CASEWHENkeyISNULLTHENid&7ELSEhashtextextendedkey,0&7END'
LIMIT $1
