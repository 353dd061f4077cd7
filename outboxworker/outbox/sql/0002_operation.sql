-- What an operator works with: why messages died and which died alike, messages that are
-- replayed, lanes that are paused, a record of what was done, and, where a relay is told
-- to keep them, messages that were delivered.

-- class is the kind of the last error, as the sink names it; fingerprint is the same for
-- errors that differ in numbers and ids alone.
ALTER TABLE {schema}.deferred ADD COLUMN class text NOT NULL DEFAULT '';
ALTER TABLE {schema}.dead
    ADD COLUMN class       text        NOT NULL DEFAULT '',
    ADD COLUMN fingerprint text        NOT NULL DEFAULT '',
    -- While a message is replayed, its row stays here, marked, until it is delivered.
    ADD COLUMN replaying_at timestamptz,
    ADD COLUMN replays     integer     NOT NULL DEFAULT 0,
    DROP CONSTRAINT dead_reason_check,
    ADD CONSTRAINT dead_reason_check CHECK (reason IN ('fatal', 'exhausted', 'skipped')),
    -- what is replayed holds its key by waiting in deferred
    ADD CONSTRAINT dead_replaying_check CHECK (replaying_at IS NULL OR NOT holds);

-- Which message of a key is tried? Of its waiting ones that need not be the one with the
-- lowest id: producers that do not take turns may commit a lower one later.
CREATE INDEX deferred_head ON {schema}.deferred (lane, key) WHERE state = 'retry' AND key IS NOT NULL;

-- Lanes on which nothing is sent, until an operator resumes them.
CREATE TABLE {schema}.paused_lane (
    lane          smallint    PRIMARY KEY CHECK (lane BETWEEN 0 AND 7),
    paused_at     timestamptz NOT NULL DEFAULT now(),
    reason        text        NOT NULL DEFAULT ''
);

-- What operators did: a row for each transaction that changed messages or lanes.
CREATE TABLE {schema}.audit (
    id            bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- the transactions of one command have one run
    run           uuid        NOT NULL,
    -- who says he did it, and as whom he was logged in, which he cannot choose
    actor         text        NOT NULL DEFAULT session_user,
    login         text        NOT NULL DEFAULT session_user,
    action        text        NOT NULL,
    filter        jsonb       NOT NULL DEFAULT '{}',
    reason        text        NOT NULL DEFAULT '',
    messages      bigint      NOT NULL,
    message_ids   uuid[]      NOT NULL DEFAULT '{}'
);

-- Messages that were delivered lately, without their payloads, if the relay's keep_delivered
-- says so. Old ones go with their partitions, which costs nothing.
CREATE TABLE {schema}.delivered (
    delivered_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    id            bigint      NOT NULL,
    message_id    uuid        NOT NULL,
    biz_id        text,
    topic         text        NOT NULL,
    key           text        COLLATE "C",
    type          text        NOT NULL,
    attempts      integer     NOT NULL,
    created_at    timestamptz NOT NULL
) PARTITION BY RANGE (delivered_at);
CREATE INDEX delivered_id ON {schema}.delivered (id);
CREATE INDEX delivered_message ON {schema}.delivered (message_id);
CREATE INDEX delivered_biz ON {schema}.delivered (biz_id) WHERE biz_id IS NOT NULL;
CREATE INDEX delivered_key ON {schema}.delivered (key) WHERE key IS NOT NULL;

-- rotate_delivered makes the partitions of this hour and the next, drops those whose
-- messages are all older than keep, and returns how many it dropped. With a keep of 0 it
-- makes none. The worker, who does not own the table, calls it.
--
-- It never stands in the way of deliveries for long: a partition is made apart and
-- attached, which no insert or dump has to wait for; dropping one excludes them all, so
-- it is given up after a moment and left to the next call.
CREATE FUNCTION {schema}.rotate_delivered(keep interval) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
    starts  timestamptz;
    part    text;
    dropped integer := 0;
BEGIN
    -- Others wait until the partitions are there, whoever makes them.
    PERFORM pg_advisory_xact_lock(hashtextextended('weir outbox delivered {name}', 0));
    FOR hour IN 0..1 LOOP
        starts := date_trunc('hour', clock_timestamp()) + hour * interval '1 hour';
        part := 'delivered_' || to_char(starts, 'YYYYMMDDHH24');
        -- Not to_regclass: it answers from its cache after a wait.
        IF keep > interval '0' AND NOT EXISTS (
            SELECT FROM pg_class WHERE relnamespace = '{schema}'::regnamespace AND relname = part)
        THEN
            BEGIN
                -- Rows come once and go with the table: there is nothing to vacuum.
                EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE %1$I.delivered INCLUDING ALL) WITH (autovacuum_enabled = off)', '{name}', part);
                EXECUTE format('REVOKE ALL ON %I.%I FROM PUBLIC', '{name}', part);
                EXECUTE format('ALTER TABLE %1$I.delivered ATTACH PARTITION %1$I.%2$I FOR VALUES FROM (%3$L) TO (%4$L)',
                    '{name}', part, starts, starts + interval '1 hour');
            EXCEPTION WHEN duplicate_table THEN
                NULL; -- in an isolation that does not show what was done while it waited
            END;
        END IF;
    END LOOP;
    PERFORM set_config('lock_timeout', '100ms', true);
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = '{schema}.delivered'::regclass AND c.relname ~ '^delivered_[0-9]{10}$'
          AND to_timestamp(substr(c.relname, 11), 'YYYYMMDDHH24') + interval '1 hour'
              <= clock_timestamp() - greatest(keep, interval '0')
        ORDER BY c.relname
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE IF EXISTS %I.%I', '{name}', part);
            dropped := dropped + 1;
        EXCEPTION WHEN lock_not_available THEN
            EXIT;
        END;
    END LOOP;
    RETURN dropped;
END $$;

REVOKE ALL ON {schema}.paused_lane, {schema}.audit, {schema}.delivered FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.rotate_delivered(interval) FROM PUBLIC;

COMMENT ON COLUMN {schema}.dead.class IS 'The kind of the last error, as the sink names it';
COMMENT ON COLUMN {schema}.dead.fingerprint IS 'The same for errors that differ in numbers and ids alone';
COMMENT ON COLUMN {schema}.dead.replaying_at IS 'Since when it is being delivered again; it is in deferred then, too';
COMMENT ON COLUMN {schema}.dead.replays IS 'How often an operator has let it be delivered again';
COMMENT ON TABLE {schema}.paused_lane IS 'Lanes on which nothing is sent until an operator resumes them';
COMMENT ON TABLE {schema}.audit IS 'What operators did to messages and lanes';
COMMENT ON TABLE {schema}.delivered IS 'Messages that were delivered, for as long as keep_delivered says';
