-- indexes: the indexes of schema $1, and whether they can be used.
SELECT c.relname AS name, x.indisvalid AND x.indisready AS usable
FROM pg_index x
JOIN pg_class c ON c.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1
