-- The inbox: which messages groups of consumers have handled.
-- {schema} stands for the quoted name of the schema, {name} for the bare one.

-- One statement, and so one transaction, in psql, too. The lock is that of the outbox's
-- migrations, which may make the same schema.
DO $inbox$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('weir outbox {name}', 0));
    IF to_regnamespace('{schema}') IS NULL THEN
        CREATE SCHEMA {schema};
    END IF;
    IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = '{name}' AND tablename = 'inbox') THEN
        -- Names are compared by their bytes: an index in the order of a locale breaks
        -- when the locale's rules change, and a message would be handled again.
        CREATE TABLE {schema}.inbox (
            message_id     text        COLLATE "C" NOT NULL CHECK (octet_length(message_id) BETWEEN 1 AND 255),
            consumer_group text        COLLATE "C" NOT NULL CHECK (octet_length(consumer_group) BETWEEN 1 AND 255),
            done_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (message_id, consumer_group)
        );
        -- Pruning goes by age.
        CREATE INDEX inbox_done_at ON {schema}.inbox (done_at);
    END IF;
END
$inbox$;
