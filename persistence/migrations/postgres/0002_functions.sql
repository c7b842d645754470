-- What nodes call. Functions without SECURITY DEFINER run as the node's role and are held by the walls of 0001; those
-- that take rows of several tenants set one tenant after the other, in the order of their names.

-- What functions with SECURITY DEFINER may see of all tenants: names, ends and revocations, never a message or a key.
-- A policy names a role and not "the owner", so it stays behind when the tables get another one.
CREATE FUNCTION hubbub.hidden_from_owner() RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.walled FROM unnest('{hubbub.channels, hubbub.segments, hubbub.revocations}'::regclass[]) AS t (walled)
    WHERE row_security_active(t.walled) AND NOT EXISTS (
        SELECT FROM pg_policy AS p CROSS JOIN unnest(p.polroles) AS r (role)
        WHERE p.polrelid = t.walled AND p.polname = 'owner' AND pg_has_role(current_user, r.role, 'USAGE'))
$$;

-- Lets the owner see them. Only where it does not: this waits for everybody who reads or writes. Called by each
-- `hubbub migrate`, as the owner.
CREATE FUNCTION hubbub.let_owner_see() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    walled regclass;
BEGIN
    FOR walled IN SELECT * FROM hubbub.hidden_from_owner() LOOP
        EXECUTE format('DROP POLICY IF EXISTS owner ON %s', walled);
        EXECUTE format('CREATE POLICY owner ON %s TO CURRENT_USER USING (true)', walled);
    END LOOP;
END $$;

-- The first step of every function that looks across tenants: to an owner without its policies everything would seem
-- to be empty, and what is empty is truncated.
CREATE FUNCTION hubbub.must_see_all() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM hubbub.hidden_from_owner()) THEN
        -- A class of its own: nothing is lacking that another try would bring.
        RAISE EXCEPTION '% owns the tables and does not see all that is in them; run hubbub migrate as the owner of the tables',
            current_user USING ERRCODE = 'HB001';
    END IF;
END $$;

-- The present epoch; no row when the database is another one than when that began (see hubbub.enter).
CREATE FUNCTION hubbub.present() RETURNS TABLE (ordinal integer, epoch bigint)
LANGUAGE sql STABLE AS $$
    SELECT e.ordinal, e.epoch FROM hubbub.epochs AS e
    WHERE EXISTS (SELECT FROM hubbub.identity AS i WHERE i.started = pg_postmaster_start_time())
    ORDER BY e.ordinal DESC LIMIT 1
$$;

-- Goes on with the last epoch, or begins a new one when the database was restarted, failed over or restored since. The
-- name of a new one holds the start of the server: the same seed in another history names another epoch.
CREATE FUNCTION hubbub.enter(seed bigint) RETURNS TABLE (ordinal integer, epoch bigint, begun boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was hubbub.identity;
    system bigint := (SELECT s.system_identifier FROM pg_control_system() AS s);
    -- The first eight digits of a name of a log file.
    line bigint := ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;
    start timestamptz := pg_postmaster_start_time();
    last integer;
    name bigint;
BEGIN
    SELECT * INTO was FROM hubbub.identity FOR UPDATE;
    IF (was.system_identifier, was.timeline, was.started) IS NOT DISTINCT FROM (system, line, start) THEN
        RETURN QUERY SELECT p.ordinal, p.epoch, false FROM hubbub.present() AS p;
        RETURN;
    END IF;
    SELECT coalesce(max(e.ordinal), 0) INTO last FROM hubbub.epochs AS e;
    name := ('x' || left(md5(concat_ws('/', seed, system, line, extract(epoch FROM start), last)), 15))::bit(60)::bigint;
    INSERT INTO hubbub.epochs (ordinal, epoch) VALUES (last + 1, name);
    UPDATE hubbub.identity SET system_identifier = system, timeline = line, started = start;
    RETURN QUERY SELECT last + 1, name, true;
END $$;

-- Makes the channels that have no log yet, locks all, and answers where each is. Two nodes lock in the same order, and
-- whoever waits sees what the other wrote.
CREATE FUNCTION hubbub.lock_channels(tenants text[], names text[])
RETURNS TABLE (number bigint, channel_id bigint, ordinal integer, head bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    owner text;
BEGIN
    FOR owner IN SELECT DISTINCT t COLLATE "C" FROM unnest(tenants) AS t ORDER BY 1 LOOP
        PERFORM set_config('hubbub.tenant', owner, true);
        INSERT INTO hubbub.channels (tenant, name)
            SELECT owner, a.name FROM unnest(tenants, names) AS a (tenant, name)
            WHERE a.tenant = owner
                AND NOT EXISTS (SELECT FROM hubbub.channels AS c WHERE c.tenant = owner AND c.name = a.name)
            ORDER BY a.name COLLATE "C"
            ON CONFLICT DO NOTHING;
        RETURN QUERY
            SELECT a.number, c.id, c.ordinal, c.head
            FROM unnest(tenants, names) WITH ORDINALITY AS a (tenant, name, number)
                JOIN hubbub.channels AS c ON c.tenant = owner AND c.name = a.name
            WHERE a.tenant = owner
            ORDER BY c.name FOR UPDATE OF c;
    END LOOP;
END $$;

-- Keys that were used before, of the last three slots.
CREATE FUNCTION hubbub.held_keys(tenants text[], names text[], scopes bytea[])
RETURNS TABLE (number bigint, "offset" bigint, "time" bigint, id bytea, digest bytea)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    owner text;
    read integer[] := (SELECT array_agg(s.slot) FROM (SELECT k.slot FROM hubbub.key_slots AS k ORDER BY turn DESC LIMIT 3) AS s);
BEGIN
    FOR owner IN SELECT DISTINCT t COLLATE "C" FROM unnest(tenants) AS t ORDER BY 1 LOOP
        PERFORM set_config('hubbub.tenant', owner, true);
        RETURN QUERY
            SELECT DISTINCT ON (a.number) a.number, k."offset", k.time, k.id, k.digest
            FROM unnest(tenants, names, scopes) WITH ORDINALITY AS a (tenant, name, scope, number)
                JOIN hubbub.channels AS c ON c.tenant = owner AND c.name = a.name
                -- Slot by slot, so that each is one step into one index.
                CROSS JOIN LATERAL (
                    SELECT o.* FROM hubbub.keys AS o
                        WHERE o.slot = read[1] AND o.channel_id = c.id AND o.scope = a.scope AND o.tenant = owner
                    UNION ALL SELECT o.* FROM hubbub.keys AS o
                        WHERE o.slot = read[2] AND o.channel_id = c.id AND o.scope = a.scope AND o.tenant = owner
                    UNION ALL SELECT o.* FROM hubbub.keys AS o
                        WHERE o.slot = read[3] AND o.channel_id = c.id AND o.scope = a.scope AND o.tenant = owner
                ) AS k
            WHERE a.tenant = owner
            ORDER BY a.number, k."offset" DESC;
    END LOOP;
END $$;

-- The slot of quiet channels that is this one's.
CREATE FUNCTION hubbub.quiet_slot(channel_id bigint) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$ SELECT (1 + channel_id % 8)::integer $$;

-- Begins a segment in a slot, or lets the newest one move there.
CREATE FUNCTION hubbub.turn(channel hubbub.channels, into_slot integer, moves boolean) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    IF moves THEN
        UPDATE hubbub.messages SET slot = into_slot
            WHERE slot = channel.slot AND channel_id = channel.id AND tenant = channel.tenant
                AND "offset" > greatest(channel.low, channel.segment - 1);
        UPDATE hubbub.segments SET slot = into_slot
            WHERE tenant = channel.tenant AND channel_id = channel.id AND first = channel.segment;
        UPDATE hubbub.channels SET slot = into_slot WHERE tenant = channel.tenant AND id = channel.id;
    ELSE
        INSERT INTO hubbub.segments (channel_id, first, tenant, slot)
            VALUES (channel.id, channel.head + 1, channel.tenant, into_slot);
        UPDATE hubbub.channels SET slot = into_slot, segment = channel.head + 1
            WHERE tenant = channel.tenant AND id = channel.id;
    END IF;
END $$;

-- Writes what a batch appends: new heads of channels that hubbub.lock_channels has locked, messages, keys.
CREATE FUNCTION hubbub.write(
    present integer,
    head_tenants text[], head_channels bigint[], heads bigint[],
    -- Ids and digests in hexadecimal digits.
    tenants text[], channels bigint[], offsets bigint[], times bigint[], ids text[],
    publishers text[], message_keys text[], conflate_keys text[], authors text[], datas text[],
    key_tenants text[], key_channels bigint[], key_offsets bigint[], key_times bigint[], key_ids text[],
    scopes text[], digests text[]
) RETURNS bigint
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    owner text;
    page CONSTANT bigint := 1000;
    turning record;
    moved bigint := 0;
    updated bigint;
BEGIN
    FOR owner IN SELECT DISTINCT t COLLATE "C" FROM unnest(head_tenants) AS t ORDER BY 1 LOOP
        PERFORM set_config('hubbub.tenant', owner, true);
        -- A channel begins quiet. With a page of messages in its newest segment the next one begins in the slot that
        -- takes its class. A segment that got no page together while that slot took messages goes back to the quiet.
        FOR turning IN
            SELECT c AS channel, w.full_page, CASE WHEN w.full_page THEN s.slot ELSE w.quiet END AS into_slot
            FROM unnest(head_tenants, head_channels) AS a (tenant, id)
                JOIN hubbub.channels AS c ON c.tenant = owner AND c.id = a.id
                JOIN hubbub.slots AS s ON s.class = c.class AND s.taking
                CROSS JOIN LATERAL (SELECT hubbub.quiet_slot(c.id) AS quiet,
                    c.slot IS NOT NULL AND c.head - greatest(c.low, c.segment - 1) >= page AS full_page) AS w
            WHERE a.tenant = owner AND c.slot IS DISTINCT FROM s.slot AND (w.full_page OR c.slot IS DISTINCT FROM w.quiet)
        LOOP
            PERFORM hubbub.turn(turning.channel, turning.into_slot,
                NOT turning.full_page AND (turning.channel).slot IS NOT NULL);
        END LOOP;
        INSERT INTO hubbub.epoch_starts (channel_id, ordinal, tenant, starts_after)
            SELECT c.id, present, owner, c.head FROM unnest(head_tenants, head_channels) AS a (tenant, id)
                JOIN hubbub.channels AS c ON c.tenant = owner AND c.id = a.id
            WHERE a.tenant = owner AND c.ordinal IS DISTINCT FROM present;
        INSERT INTO hubbub.messages
                (slot, channel_id, "offset", time, id, tenant, publisher, key, conflate_key, author, data)
            SELECT c.slot, c.id, a.at, a.time, decode(a.id, 'hex'), owner, a.publisher, a.key, a.conflate_key, a.author, a.data
            FROM unnest(tenants, channels, offsets, times, ids, publishers, message_keys, conflate_keys, authors, datas)
                    AS a (tenant, channel, at, time, id, publisher, key, conflate_key, author, data)
                JOIN hubbub.channels AS c ON c.tenant = owner AND c.id = a.channel
            WHERE a.tenant = owner;
        INSERT INTO hubbub.keys (slot, channel_id, "offset", time, scope, id, digest, tenant)
            SELECT s.slot, a.channel, a.at, a.time, decode(a.scope, 'hex'), decode(a.id, 'hex'), decode(a.digest, 'hex'), owner
            FROM unnest(key_tenants, key_channels, key_offsets, key_times, scopes, key_ids, digests)
                    AS a (tenant, channel, at, time, scope, id, digest)
                CROSS JOIN (SELECT k.slot FROM hubbub.key_slots AS k ORDER BY turn DESC LIMIT 1) AS s
            WHERE a.tenant = owner
            ON CONFLICT (slot, channel_id, scope) DO UPDATE SET
                "offset" = excluded."offset", time = excluded.time, id = excluded.id, digest = excluded.digest;
        UPDATE hubbub.channels AS c SET head = a.head, ordinal = present
            FROM unnest(head_tenants, head_channels, heads) AS a (tenant, id, head)
            WHERE a.tenant = owner AND c.tenant = owner AND c.id = a.id;
        GET DIAGNOSTICS updated = ROW_COUNT;
        moved := moved + updated;
    END LOOP;
    -- Nothing is committed then.
    IF moved <> cardinality(head_channels) THEN
        RAISE data_corrupted USING MESSAGE = 'a channel went away while it was written';
    END IF;
    RETURN moved;
END $$;

-- Where messages are, by their ids. The newest segments are asked first.
CREATE FUNCTION hubbub.find(tenants text[], names text[], ids bytea[])
RETURNS TABLE (number bigint, "offset" bigint, "time" bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    asked record;
    segment record;
BEGIN
    FOR asked IN SELECT * FROM unnest(tenants, names, ids) WITH ORDINALITY AS a (tenant, name, id, number) LOOP
        PERFORM set_config('hubbub.tenant', asked.tenant, true);
        FOR segment IN
            SELECT s.slot, c.id AS channel_id, c.low FROM hubbub.channels AS c JOIN hubbub.segments AS s ON s.channel_id = c.id
            WHERE c.tenant = asked.tenant AND c.name = asked.name AND s.tenant = asked.tenant ORDER BY s.first DESC
        LOOP
            -- The slot stands in the text, so that no other is opened.
            EXECUTE format(
                'SELECT "offset", time FROM hubbub.messages
                 WHERE slot = %s AND channel_id = $1 AND tenant = $2 AND id = $3 AND "offset" > $4', segment.slot)
                INTO "offset", "time" USING segment.channel_id, asked.tenant, asked.id, segment.low;
            IF "offset" IS NOT NULL THEN
                number := asked.number;
                RETURN NEXT;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- A page: one row with the ends of the log and no offset, then the entries after (or, descending, before) an offset,
-- one more than fit into `most_bytes`. No row for a channel without a log. STABLE: all comes from one snapshot.
CREATE FUNCTION hubbub.page(
    owner text, channel text, bound bigint, descending boolean, most bigint, most_bytes bigint
) RETURNS TABLE (
    head bigint, low bigint, "offset" bigint, "time" bigint, id bytea, key text, conflate_key text, author text, data text
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    direction text := CASE WHEN descending THEN 'DESC' ELSE 'ASC' END;
    log record;
    segment record;
    first bigint;
    last bigint;
    bytes bigint := 0;
    count bigint := 0;
BEGIN
    SELECT c.id, c.head, c.low INTO log FROM hubbub.channels AS c WHERE c.tenant = owner AND c.name = channel;
    IF NOT FOUND THEN RETURN; END IF;
    head := log.head;
    low := log.low;
    RETURN NEXT;
    first := CASE WHEN descending THEN low + 1 ELSE greatest(bound, low) + 1 END;
    last := CASE WHEN descending THEN least(bound - 1, head) ELSE head END;
    FOR segment IN EXECUTE
        'SELECT s.slot, s.first, s.last FROM (
             SELECT slot, first, lead(first, 1, $3 + 1) OVER (ORDER BY first) - 1 AS last
             FROM hubbub.segments WHERE channel_id = $1 AND tenant = $2
         ) AS s WHERE s.first <= $5 AND s.last >= $4 ORDER BY s.first ' || direction
        USING log.id, owner, log.head, first, last
    LOOP
        FOR "offset", "time", id, key, conflate_key, author, data IN EXECUTE format(
            -- The slot stands in the text, so that no other is opened.
            'SELECT "offset", time, id, key, conflate_key, author, data FROM hubbub.messages
             WHERE slot = %s AND channel_id = $1 AND tenant = $2 AND "offset" BETWEEN $3 AND $4
             ORDER BY "offset" %s LIMIT $5', segment.slot, direction)
            USING log.id, owner, greatest(first, segment.first), least(last, segment.last), most - count
        LOOP
            RETURN NEXT;
            count := count + 1;
            bytes := bytes + coalesce(octet_length(data), 0);
            IF bytes > most_bytes AND count > 1 THEN RETURN; END IF;
        END LOOP;
        IF count >= most THEN RETURN; END IF;
    END LOOP;
END $$;

-- The ends of logs; no row for a channel without one.
CREATE FUNCTION hubbub.heads(tenants text[], names text[]) RETURNS TABLE (number bigint, head bigint, low bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    owner text;
BEGIN
    FOR owner IN SELECT DISTINCT t COLLATE "C" FROM unnest(tenants) AS t ORDER BY 1 LOOP
        PERFORM set_config('hubbub.tenant', owner, true);
        RETURN QUERY
            SELECT a.number, c.head, c.low
            FROM unnest(tenants, names) WITH ORDINALITY AS a (tenant, name, number)
                JOIN hubbub.channels AS c ON c.tenant = owner AND c.name = a.name
            WHERE a.tenant = owner;
    END LOOP;
END $$;

-- Removes at most `most` expired entries from the old end, and answers how many. In a slot of the class of the channel
-- they only fall below the low-water mark and go with the slot; from others they are deleted.
CREATE FUNCTION hubbub.expire(owner text, channel text, keep bigint, age_ms bigint, now_ms bigint, most bigint)
RETURNS bigint
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    log hubbub.channels;
    segment record;
    entry record;
    up_to bigint;
    gone bigint := 0;
    lived bigint := age_ms;
BEGIN
    SELECT * INTO log FROM hubbub.channels AS c WHERE c.tenant = owner AND c.name = channel;
    IF NOT FOUND THEN RETURN 0; END IF;
    up_to := log.low;
    <<segments>>
    FOR segment IN
        SELECT s.slot FROM hubbub.segments AS s WHERE s.channel_id = log.id AND s.tenant = owner ORDER BY s.first
    LOOP
        FOR entry IN EXECUTE format(
            'SELECT "offset", time FROM hubbub.messages
             WHERE slot = %s AND channel_id = $1 AND tenant = $2 AND "offset" > $3 ORDER BY "offset" LIMIT $4', segment.slot)
            USING log.id, owner, up_to, most - gone
        LOOP
            -- An entry behind a younger one stays until that one goes: the mark has no holes below it.
            EXIT segments WHEN NOT coalesce(entry."offset" <= log.head - keep, false)
                AND NOT coalesce(entry.time <= now_ms - age_ms, false);
            up_to := entry."offset";
            gone := gone + 1;
            lived := least(lived, greatest(now_ms - entry.time, 0));
        END LOOP;
        EXIT WHEN gone >= most;
    END LOOP;
    IF gone > 0 AND NOT hubbub.cut(log, up_to) THEN
        RETURN 0;
    END IF;
    IF keep IS NULL OR gone > 0 THEN
        UPDATE hubbub.channels AS c SET class = k.class
            FROM (SELECT min(n.class) AS class FROM hubbub.classes AS n WHERE n.lives_ms >= coalesce(lived, n.lives_ms)) AS k
            WHERE c.tenant = owner AND c.id = log.id AND c.class <> k.class
                -- By count it goes up and down with the traffic: only down.
                AND (keep IS NULL OR k.class < c.class);
    END IF;
    RETURN gone;
END $$;

-- Moves the low-water mark. False when another node has done so meanwhile.
CREATE FUNCTION hubbub.cut(log hubbub.channels, up_to bigint) RETURNS boolean
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    present_head bigint;
    segment record;
BEGIN
    UPDATE hubbub.channels AS c SET low = up_to WHERE c.tenant = log.tenant AND c.id = log.id AND c.low = log.low
        RETURNING c.head INTO present_head;
    IF NOT FOUND THEN RETURN false; END IF;
    FOR segment IN
        SELECT s.first, s.slot, n.class,
            lead(s.first, 1, present_head + 1) OVER (ORDER BY s.first) - 1 AS last
        FROM hubbub.segments AS s JOIN hubbub.slots AS n ON n.slot = s.slot
        WHERE s.channel_id = log.id AND s.tenant = log.tenant ORDER BY s.first
    LOOP
        EXIT WHEN segment.first > up_to;
        IF segment.class IS DISTINCT FROM log.class THEN
            DELETE FROM hubbub.messages
                WHERE slot = segment.slot AND channel_id = log.id AND tenant = log.tenant
                    AND "offset" BETWEEN log.low + 1 AND up_to;
        END IF;
        IF segment.last <= up_to THEN
            DELETE FROM hubbub.segments AS s
                WHERE s.channel_id = log.id AND s.tenant = log.tenant AND s.first = segment.first;
        END IF;
    END LOOP;
    UPDATE hubbub.channels AS c SET slot = NULL, segment = NULL
        WHERE c.tenant = log.tenant AND c.id = log.id AND c.head = c.low;
    RETURN true;
END $$;

-- What the key of a message was scoped to is told before it is forgotten: publisher and key; no row without a message.
CREATE FUNCTION hubbub.erase(owner text, channel text, at bigint)
RETURNS TABLE (channel_id bigint, publisher text, key text)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    log record;
    place record;
BEGIN
    -- The lock: a segment that moves along takes its tombstones with it.
    SELECT c.id, c.low INTO log FROM hubbub.channels AS c WHERE c.tenant = owner AND c.name = channel FOR UPDATE;
    IF NOT FOUND OR at <= log.low THEN RETURN; END IF;
    SELECT m.slot, m.publisher, m.key INTO place
        FROM hubbub.messages AS m
        WHERE m.slot = (SELECT s.slot FROM hubbub.segments AS s
                        WHERE s.channel_id = log.id AND s.tenant = owner AND s.first <= at ORDER BY s.first DESC LIMIT 1)
            AND m.channel_id = log.id AND m.tenant = owner AND m."offset" = at AND m.data IS NOT NULL;
    IF NOT FOUND THEN RETURN; END IF;
    UPDATE hubbub.messages AS m SET publisher = NULL, key = NULL, conflate_key = NULL, author = NULL, data = NULL
        WHERE m.slot = place.slot AND m.channel_id = log.id AND m.tenant = owner AND m."offset" = at;
    channel_id := log.id;
    publisher := place.publisher;
    key := place.key;
    RETURN NEXT;
END $$;

-- Every tenant. Steps from one to the next in the index, so that it costs as much as there are tenants, not channels.
CREATE FUNCTION hubbub.tenants() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT hubbub.must_see_all();
    WITH RECURSIVE step (tenant) AS (
        (SELECT c.tenant FROM hubbub.channels AS c ORDER BY c.tenant LIMIT 1)
        UNION ALL
        SELECT (SELECT c.tenant FROM hubbub.channels AS c WHERE c.tenant > step.tenant ORDER BY c.tenant LIMIT 1)
        FROM step WHERE step.tenant IS NOT NULL
    )
    SELECT tenant FROM step WHERE tenant IS NOT NULL
$$;

-- All revocations that still count.
CREATE FUNCTION hubbub.counting_revocations(now_ms bigint)
RETURNS TABLE (tenant text, kind text, subject text, before bigint, until bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT hubbub.must_see_all();
    SELECT r.tenant, r.kind, r.subject, r.before, r.until FROM hubbub.revocations AS r WHERE r.until > now_ms
$$;

-- Whether some count no more.
CREATE FUNCTION hubbub.past_revocations(now_ms bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT hubbub.must_see_all();
    SELECT EXISTS (SELECT FROM hubbub.revocations AS r WHERE r.until <= now_ms)
$$;

-- Forgets at most `most` that count no more.
CREATE FUNCTION hubbub.forget_revocations(now_ms bigint, most bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT hubbub.must_see_all();
    DELETE FROM hubbub.revocations AS r WHERE r.ctid = ANY (ARRAY(
        SELECT o.ctid FROM hubbub.revocations AS o WHERE o.until <= now_ms ORDER BY o.until LIMIT most FOR UPDATE SKIP LOCKED
    ))
$$;
