-- Slots take turns. Called by every node now and then; one at a time does the work, the others go on. Nothing here
-- waits for long for a lock that writers hold, and nothing depends on when it runs: where no node has called it for
-- days, messages and keys go on into the slots that take them.

-- Makes a partition for messages and answers its number. Attaching waits for no writer and no reader.
CREATE FUNCTION hubbub.make_slot() RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made integer := (SELECT coalesce(max(s.slot), 0) + 1 FROM hubbub.slots AS s);
BEGIN
    EXECUTE format('CREATE TABLE hubbub.messages_%s (LIKE hubbub.messages INCLUDING ALL)', made);
    EXECUTE format('ALTER TABLE hubbub.messages_%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made);
    EXECUTE format('ALTER TABLE hubbub.messages ATTACH PARTITION hubbub.messages_%1$s FOR VALUES IN (%1$s)', made);
    INSERT INTO hubbub.slots (slot) VALUES (made);
    RETURN made;
END $$;

-- A class gets a blank slot when the one that takes its messages has done so for long enough.
CREATE FUNCTION hubbub.turn_slots(now_ms bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due record;
    blank integer;
BEGIN
    FOR due IN
        SELECT k.class FROM hubbub.classes AS k LEFT JOIN hubbub.slots AS s ON s.class = k.class AND s.taking
        WHERE k.width_ms IS NOT NULL AND (s.slot IS NULL OR s.since_ms + k.width_ms <= now_ms) ORDER BY k.class
    LOOP
        SELECT min(s.slot) INTO blank FROM hubbub.slots AS s WHERE s.class IS NULL;
        IF blank IS NULL THEN blank := hubbub.make_slot(); END IF;
        UPDATE hubbub.slots SET taking = false WHERE class = due.class AND taking;
        UPDATE hubbub.slots SET class = due.class, taking = true, since_ms = now_ms WHERE slot = blank;
    END LOOP;
END $$;

-- Keys live for 48 hours at least: two whole turns of 25 hours after the one in which they came.
CREATE FUNCTION hubbub.turn_key_slots(now_ms bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest hubbub.key_slots;
BEGIN
    SELECT * INTO newest FROM hubbub.key_slots ORDER BY turn DESC LIMIT 1;
    IF newest.since_ms + 25 * 3600000 <= now_ms THEN
        -- The oldest, if it was emptied.
        UPDATE hubbub.key_slots AS k SET turn = newest.turn + 1, since_ms = now_ms, blank = false
            WHERE k.blank AND k.turn = (SELECT min(o.turn) FROM hubbub.key_slots AS o);
    END IF;
END $$;

-- Empties slots that nobody reads any more. One that somebody still has locked comes next time.
CREATE FUNCTION hubbub.empty_slots(now_ms bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    -- For so long a transaction may still read what it found before: far longer than one may take.
    grace CONSTANT bigint := 600000;
    done record;
BEGIN
    UPDATE hubbub.slots AS s SET empty_since_ms = CASE WHEN f.live THEN NULL ELSE now_ms END
        FROM (SELECT o.slot, EXISTS (SELECT FROM hubbub.segments AS g WHERE g.slot = o.slot) AS live
              FROM hubbub.slots AS o WHERE o.class IS NOT NULL AND NOT o.taking) AS f
        WHERE s.slot = f.slot AND f.live = (s.empty_since_ms IS NOT NULL);
    FOR done IN
        SELECT 'messages' AS of, s.slot FROM hubbub.slots AS s WHERE s.empty_since_ms + grace <= now_ms
        UNION ALL
        SELECT 'keys', k.slot FROM hubbub.key_slots AS k
        WHERE NOT k.blank AND k.turn = (SELECT min(o.turn) FROM hubbub.key_slots AS o)
            AND (SELECT max(n.since_ms) FROM hubbub.key_slots AS n) + grace <= now_ms
    LOOP
        BEGIN
            EXECUTE format('TRUNCATE hubbub.%I', done.of || '_' || done.slot);
            IF done.of = 'messages' THEN
                UPDATE hubbub.slots SET class = NULL, since_ms = NULL, empty_since_ms = NULL WHERE slot = done.slot;
            ELSE
                UPDATE hubbub.key_slots SET blank = true WHERE slot = done.slot;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            RAISE LOG 'hubbub: the slot % of % is in use, it is emptied later', done.slot, done.of;
        END;
    END LOOP;
END $$;

-- The one to call. False when another node is at it.
CREATE FUNCTION hubbub.tidy(now_ms bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM hubbub.must_see_all();
    IF NOT pg_try_advisory_xact_lock(hashtext('hubbub.tidy')) THEN RETURN false; END IF;
    PERFORM hubbub.turn_slots(now_ms);
    PERFORM hubbub.turn_key_slots(now_ms);
    PERFORM hubbub.empty_slots(now_ms);
    RETURN true;
END $$;

-- The first slots: those of quiet channels, and one for each class. A class must have one, or its channels have nowhere
-- to grow.
SELECT hubbub.make_slot() FROM generate_series(1, 8);
UPDATE hubbub.slots SET class = 9, taking = true, since_ms = 0;
SELECT hubbub.turn_slots((extract(epoch FROM now()) * 1000)::bigint);
UPDATE hubbub.key_slots SET since_ms = (extract(epoch FROM now()) * 1000)::bigint, blank = false
    WHERE turn = (SELECT max(turn) FROM hubbub.key_slots);
