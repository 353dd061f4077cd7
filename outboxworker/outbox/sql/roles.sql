-- The roles of the outbox: groups, to be granted to the users that services connect as.
-- Roles belong to the whole server, so they may be there already, or be made by a
-- migration of another database at this moment.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['{name}_producer', '{name}_worker', '{name}_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END $$;
