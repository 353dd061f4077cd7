-- The outbox: messages that are to be delivered, those that wait, those that died.
-- {schema} stands for the quoted name of the schema, {name} for the bare one.

-- An administrator may have made the schema for somebody who may not.
DO $$ BEGIN
    IF to_regnamespace('{schema}') IS NULL THEN
        CREATE SCHEMA {schema};
    END IF;
END $$;
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;

CREATE TABLE {schema}.migration (
    version       integer     PRIMARY KEY,
    applied_at    timestamptz NOT NULL DEFAULT now()
);

-- Pending messages. Column order matters: defaults are evaluated in this order, so
-- that a row's id is drawn after its transaction has an xid. The relay's low-water
-- mark rests on that, on ids with cache 1, and on ids from this sequence only.
--
-- Lengths are in bytes, since a key must fit into an index. Keys are compared by their
-- bytes, too: an index in the order of a locale breaks when the locale's rules change,
-- and a key that waits would not be found.
CREATE TABLE {schema}.message (
    txid          xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id            bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    message_id    uuid        NOT NULL DEFAULT gen_random_uuid(),
    biz_id        text        CHECK (octet_length(biz_id) <= 255),
    topic         text        NOT NULL CHECK (octet_length(topic) BETWEEN 1 AND 255),
    key           text        COLLATE "C" CHECK (octet_length(key) <= 1024),
    type          text        NOT NULL DEFAULT '' CHECK (octet_length(type) <= 255),
    payload       bytea       NOT NULL CHECK (octet_length(payload) <= 4194304),
    headers       jsonb       CHECK (jsonb_typeof(headers) = 'object' AND octet_length(headers::text) <= 65536),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(created_at)),
    deliver_after timestamptz CHECK (isfinite(deliver_after)),
    -- Workers divide the table by lane; a key is always in the same one.
    lane          smallint    NOT NULL GENERATED ALWAYS AS
        (CASE WHEN key IS NULL THEN id & 7 ELSE hashtextextended(key, 0) & 7 END) STORED
        CHECK (lane BETWEEN 0 AND 7)
) WITH (
    -- Vacuum by the number of deleted rows, whatever the size, and at full speed: index
    -- entries of deleted rows are what a look at a lane has to step over.
    autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_threshold = 20000, toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_cost_delay = 0,
    -- Rows do not live long enough to be worth freezing early.
    autovacuum_vacuum_insert_threshold = -1, toast.autovacuum_vacuum_insert_threshold = -1,
    -- Statistics of a table that is empty now and holds millions of rows in an hour
    -- mislead the planner, and sampling them costs.
    autovacuum_analyze_threshold = 2147483647,
    -- Free pages are kept for the next messages. Beside producers, vacuum tries to cut
    -- them off for seconds, holds inserts up for 20 ms each time, and mostly fails.
    -- VACUUM (TRUNCATE) gives them back after a great backlog.
    vacuum_truncate = false, toast.vacuum_truncate = false
);
-- A lane's batch: ids above the mark, in order. It is also what a publication of all
-- tables needs, or deleting would be an error there.
CREATE UNIQUE INDEX message_lane ON {schema}.message (lane, id);
ALTER TABLE {schema}.message REPLICA IDENTITY USING INDEX message_lane;
-- Messages below the mark whose transactions were running when it was taken.
CREATE INDEX message_txid ON {schema}.message (txid, lane, id);

-- Messages that wait: 'retry' for the next attempt, 'parked' behind a waiting one of
-- the same key, 'delayed' until their time. Of each key the first is 'retry' and the
-- others 'parked'; delayed ones are outside of their key's order.
CREATE TABLE {schema}.deferred (
    id            bigint      PRIMARY KEY,
    lane          smallint    NOT NULL CHECK (lane BETWEEN 0 AND 7),
    state         text        NOT NULL CHECK (state IN ('retry', 'parked', 'delayed')),
    due_at        timestamptz CHECK ((due_at IS NULL) = (state = 'parked') AND isfinite(due_at)),
    attempts      integer     NOT NULL DEFAULT 0,
    last_error    text,
    deferred_at   timestamptz NOT NULL DEFAULT now(),
    message_id    uuid        NOT NULL,
    biz_id        text,
    topic         text        NOT NULL,
    key           text        COLLATE "C",
    type          text        NOT NULL,
    payload       bytea       NOT NULL,
    headers       jsonb,
    created_at    timestamptz NOT NULL CHECK (isfinite(created_at))
) WITH (
    autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2147483647
);
CREATE INDEX deferred_due ON {schema}.deferred (lane, due_at) WHERE due_at IS NOT NULL;
-- Does anything of this key wait? Which is next?
CREATE INDEX deferred_key ON {schema}.deferred (lane, key, id) WHERE key IS NOT NULL AND state <> 'delayed';

-- Messages that will not be delivered, until an operator decides.
CREATE TABLE {schema}.dead (
    id            bigint      PRIMARY KEY,
    lane          smallint    NOT NULL,
    -- while set, later messages of the key wait for the operator
    holds         boolean     NOT NULL DEFAULT false,
    reason        text        NOT NULL CHECK (reason IN ('fatal', 'exhausted')),
    attempts      integer     NOT NULL,
    last_error    text,
    died_at       timestamptz NOT NULL DEFAULT now(),
    message_id    uuid        NOT NULL,
    biz_id        text,
    topic         text        NOT NULL,
    key           text        COLLATE "C",
    type          text        NOT NULL,
    payload       bytea       NOT NULL,
    headers       jsonb,
    created_at    timestamptz NOT NULL CHECK (isfinite(created_at))
);
CREATE INDEX dead_holds ON {schema}.dead (lane, key) WHERE holds;

-- 1 while a relay sleeps and wants to be woken. A sequence, because its value is seen
-- at once by everybody and costs nobody a row.
CREATE SEQUENCE {schema}.wake MINVALUE 1 MAXVALUE 2 START 2;

CREATE FUNCTION {schema}.wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT last_value FROM {schema}.wake) = 1 THEN
        PERFORM pg_catalog.pg_notify('{name}', '');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER wake_relay AFTER INSERT ON {schema}.message
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.wake_relay();

-- enqueue writes a message in the caller's transaction and returns its message_id. The
-- payload is bytes, or text or JSON, which become their UTF-8.
CREATE FUNCTION {schema}.enqueue(topic text, payload bytea, key text DEFAULT NULL, type text DEFAULT '',
    headers jsonb DEFAULT NULL, biz_id text DEFAULT NULL, message_id uuid DEFAULT NULL,
    deliver_after timestamptz DEFAULT NULL) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    INSERT INTO {schema}.message (message_id, biz_id, topic, key, type, payload, headers, deliver_after)
    VALUES (COALESCE(enqueue.message_id, gen_random_uuid()), enqueue.biz_id, enqueue.topic, enqueue.key,
            enqueue.type, enqueue.payload, enqueue.headers, enqueue.deliver_after)
    RETURNING message_id
$$;
CREATE FUNCTION {schema}.enqueue(topic text, payload text, key text DEFAULT NULL, type text DEFAULT '',
    headers jsonb DEFAULT NULL, biz_id text DEFAULT NULL, message_id uuid DEFAULT NULL,
    deliver_after timestamptz DEFAULT NULL) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT {schema}.enqueue(topic, convert_to(payload, 'UTF8'), key, type, headers, biz_id, message_id, deliver_after)
$$;
CREATE FUNCTION {schema}.enqueue(topic text, payload jsonb, key text DEFAULT NULL, type text DEFAULT '',
    headers jsonb DEFAULT NULL, biz_id text DEFAULT NULL, message_id uuid DEFAULT NULL,
    deliver_after timestamptz DEFAULT NULL) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT {schema}.enqueue(topic, convert_to(payload::text, 'UTF8'), key, type, headers, biz_id, message_id, deliver_after)
$$;

-- Where the server has lz4, a payload of 4 kB JSON costs its producer 1 us to compress
-- and not 38.
DO $$ BEGIN
    IF (SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
        ALTER TABLE {schema}.message ALTER payload SET COMPRESSION lz4;
        ALTER TABLE {schema}.deferred ALTER payload SET COMPRESSION lz4;
        ALTER TABLE {schema}.dead ALTER payload SET COMPRESSION lz4;
    END IF;
END $$;

REVOKE ALL ON {schema}.migration, {schema}.message, {schema}.deferred, {schema}.dead FROM PUBLIC;
REVOKE ALL ON SEQUENCE {schema}.message_id_seq, {schema}.wake FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.wake_relay(),
    {schema}.enqueue(text, bytea, text, text, jsonb, text, uuid, timestamptz),
    {schema}.enqueue(text, text, text, text, jsonb, text, uuid, timestamptz),
    {schema}.enqueue(text, jsonb, text, text, jsonb, text, uuid, timestamptz) FROM PUBLIC;

COMMENT ON SCHEMA {schema} IS 'weir outbox: messages that were enqueued in business transactions, until they are delivered';
COMMENT ON TABLE {schema}.migration IS 'The versions of this schema that were applied';
COMMENT ON TABLE {schema}.message IS 'Messages to be delivered. A message is in one of message, deferred, dead, or gone';
COMMENT ON COLUMN {schema}.message.txid IS 'The transaction that enqueued it; never given';
COMMENT ON COLUMN {schema}.message.id IS 'Position; per key, messages are delivered in its order; never given';
COMMENT ON COLUMN {schema}.message.message_id IS 'What consumers recognise the message by when it is delivered twice';
COMMENT ON COLUMN {schema}.message.biz_id IS 'The producer''s own id of what the message is about; at most 255 bytes';
COMMENT ON COLUMN {schema}.message.topic IS 'What the message is about; 1 to 255 bytes';
COMMENT ON COLUMN {schema}.message.key IS 'Messages of one key are delivered in order; NULL: no order; at most 1024 bytes';
COMMENT ON COLUMN {schema}.message.type IS 'The kind of event; at most 255 bytes';
COMMENT ON COLUMN {schema}.message.payload IS 'Any bytes; at most 4 MiB';
COMMENT ON COLUMN {schema}.message.headers IS 'A JSON object, its values strings; at most 64 KiB as text';
COMMENT ON COLUMN {schema}.message.deliver_after IS 'Not before; the message then comes after those of its key that are there';
COMMENT ON COLUMN {schema}.message.lane IS 'Which of eight parts of the table the message is in; computed';
COMMENT ON TABLE {schema}.deferred IS 'Messages that wait for a retry, behind one of their key, or for their time';
COMMENT ON COLUMN {schema}.deferred.state IS 'retry: first of its key, tried again when due; parked: behind it; delayed: until due';
COMMENT ON TABLE {schema}.dead IS 'Messages that will not be delivered until an operator decides';
COMMENT ON COLUMN {schema}.dead.holds IS 'Later messages of its key wait for the operator, too';
COMMENT ON SEQUENCE {schema}.wake IS '1: a relay sleeps and wants to be notified of new messages; 2: it does not';
