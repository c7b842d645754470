-- A channel that is named after somebody who is to be forgotten goes whole: messages (those that have expired and wait for their slot
-- too), keys, segments, epochs, name. At most `most` messages at once, from the old end; true when nothing is left. The role of the nodes may
-- not remove channels: this does, and only of the tenant that the transaction has set. Its wall holds for the owner too.
CREATE FUNCTION hubbub.forget_channel(channel text, most bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    owner CONSTANT text := current_setting('hubbub.tenant', true);
    log record;
    gone bigint;
    up_to bigint;
BEGIN
    PERFORM hubbub.must_see_all();
    -- The lock: whoever appends meanwhile waits, and finds no such channel then.
    SELECT c.id INTO log FROM hubbub.channels AS c WHERE c.tenant = owner AND c.name = channel FOR UPDATE;
    IF NOT FOUND THEN RETURN true; END IF;
    WITH deleted AS (
        DELETE FROM hubbub.messages AS m USING (
            SELECT o.slot, o."offset" FROM hubbub.messages AS o WHERE o.channel_id = log.id AND o.tenant = owner
            ORDER BY o."offset" LIMIT most
        ) AS old
        WHERE m.slot = old.slot AND m.channel_id = log.id AND m.tenant = owner AND m."offset" = old."offset"
        RETURNING m."offset"
    )
    SELECT count(*), max(d."offset") INTO gone, up_to FROM deleted AS d;
    IF gone >= most THEN
        UPDATE hubbub.channels AS c SET low = greatest(c.low, up_to) WHERE c.tenant = owner AND c.id = log.id;
        RETURN false;
    END IF;
    DELETE FROM hubbub.keys AS k WHERE k.channel_id = log.id AND k.tenant = owner;
    DELETE FROM hubbub.segments AS s WHERE s.channel_id = log.id AND s.tenant = owner;
    DELETE FROM hubbub.epoch_starts AS e WHERE e.channel_id = log.id AND e.tenant = owner;
    DELETE FROM hubbub.channels AS c WHERE c.tenant = owner AND c.id = log.id;
    RETURN true;
END $$;
