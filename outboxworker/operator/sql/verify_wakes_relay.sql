-- verify_wakes_relay: whether the trigger is missing or does not fire.
SELECT format('the trigger wake_relay of message is %s', COALESCE('disabled, or for replicas alone: ' || quote_literal(t.tgenabled::text), 'missing'))
FROM (VALUES (1)) AS one (n)
LEFT JOIN pg_trigger t ON t.tgrelid = '{schema}.message'::regclass AND t.tgname = 'wake_relay'
    AND t.tgfoid = to_regproc('{schema}.wake_relay')
WHERE t.tgenabled IS NULL OR t.tgenabled NOT IN ('O', 'A')
LIMIT $1
