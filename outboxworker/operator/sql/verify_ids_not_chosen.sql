-- verify_ids_not_chosen: who may write txid, id or lane of a message, or change one, and is
-- not the owner. A right on the table is one on all its columns.
SELECT format('%s may %s %s', COALESCE(quote_ident(pg_get_userbyid(NULLIF(v.grantee, 0))), 'everybody'), v.privilege_type, v.what)
FROM (
    SELECT c.relowner, x.grantee, x.privilege_type, 'all columns' AS what
    FROM pg_class c, aclexplode(c.relacl) AS x
    WHERE c.oid = '{schema}.message'::regclass AND x.privilege_type IN ('INSERT', 'UPDATE')
    UNION ALL
    SELECT c.relowner, x.grantee, x.privilege_type, 'column ' || a.attname
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) AS x
    WHERE c.oid = '{schema}.message'::regclass
      AND (x.privilege_type = 'UPDATE' OR x.privilege_type = 'INSERT' AND a.attname IN ('txid', 'id', 'lane'))
) AS v
WHERE v.grantee <> v.relowner
LIMIT $1
