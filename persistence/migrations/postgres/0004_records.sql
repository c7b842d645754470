-- Records: what rooms remember beside their logs. Why they look like this stands in docs/decisions/0014-records.md.

-- Numbers messages as they come, of all tenants: what search goes back along.
CREATE SEQUENCE hubbub.arrivals;

-- The words of a text, each behind the number of its bucket of 65,536 arrivals. So neither a word that everybody uses nor the
-- beginning of many has more places in the index than a bucket has messages. ASCII signs are spaces: what looks like an address or
-- a path would be one word to the parser. Words that are longer than any that is searched for are left out.
CREATE FUNCTION hubbub.words_of(said text, arrived bigint) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    words text := ' ' || to_tsvector('pg_catalog.simple', translate(said, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)))::text;
BEGIN
    IF octet_length(words) > 1024 THEN
        words := regexp_replace(words, ' ''([^'']{240}){2}[^'']*''[0-9:,]*', '', 'g');
    END IF;
    RETURN replace(words, ' ''', ' ''' || (arrived >> 16)::text || '/')::tsvector;
END $$;

-- `home` is the channel whose lock guards the record, `grp` what it is listed under, `at` its place there, `who` the user
-- that it is about. A partition for each kind, so that each has the indexes that it needs.
CREATE TABLE hubbub.records (
    kind smallint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    home text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (key <> ''),
    grp text COLLATE "C" NOT NULL,
    at bigint NOT NULL CHECK (at >= 0),
    who text COLLATE "C",
    text text,                                                          -- what search finds it by
    body text NOT NULL,                                                 -- JSON
    arrived bigint NOT NULL DEFAULT nextval('hubbub.arrivals'),         -- of messages
    -- Of messages: their words, and as words that no text has tenant, channel, author, and the slice of 8,192 arrivals. So what
    -- is somebody else's, or not wanted, is passed over in the index.
    words tsvector GENERATED ALWAYS AS (CASE WHEN kind = 3 THEN
        hubbub.words_of(text, arrived) || array_to_tsvector(array_remove(
            ARRAY['/' || tenant, '/' || tenant || '/' || home, '@' || who, '//' || (arrived >> 13)::text], NULL)) END) STORED
) PARTITION BY LIST (kind);

-- Rows that change often are left room on their page for their next version. Each index but the primary key begins with what its
-- questions alone name: an index into which another question leads as well seems no worse to the planner while there is little,
-- and the plan would be kept when there is much. For the same reason the primary key comes last: of equals the planner takes that.
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN SELECT * FROM (VALUES
        -- kind, name, fillfactor, listed by group
        (1, 'room', 70, false),
        (2, 'member', 70, true),
        (3, 'message', 80, true),
        (4, 'reaction', 90, true),
        (5, 'version', 100, true),
        (6, 'mention', 100, true),
        (7, 'follower', 70, true),
        (8, 'filter', 100, false),
        (9, 'report', 90, true),
        (10, 'audit', 100, true),
        (11, 'task', 90, true),
        (12, 'person', 70, false),
        (13, 'notice', 80, true),
        (14, 'job', 70, false),
        (15, 'proof', 100, false)
    ) AS p (kind, name, fill, listed) LOOP
        EXECUTE format('CREATE TABLE hubbub.records_%s PARTITION OF hubbub.records FOR VALUES IN (%s) WITH (fillfactor = %s)',
            part.name, part.kind, part.fill);
        EXECUTE format('CREATE INDEX records_%1$s_by_user ON hubbub.records_%1$s (who, tenant, home, key) WHERE who IS NOT NULL',
            part.name);
        IF part.listed THEN
            EXECUTE format('CREATE INDEX records_%1$s_by_group ON hubbub.records_%1$s (grp, tenant, home, at, key)', part.name);
        END IF;
        EXECUTE format('ALTER TABLE hubbub.records_%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part.name);
    END LOOP;
END $$;
-- Lists over all channels: rooms by name, the audit log by time. Those of other kinds read more.
CREATE INDEX records_room_everywhere ON hubbub.records_room (grp, tenant, home, key);
CREATE INDEX records_audit_placed ON hubbub.records_audit (tenant, grp, at, home, key);
CREATE INDEX records_task_due ON hubbub.records_task (at, tenant, home, key);
CREATE INDEX records_message_words ON hubbub.records_message USING gin (words) WITH (fastupdate = off);
ALTER TABLE hubbub.records ADD PRIMARY KEY (tenant, home, kind, key);

-- The wall of 0001. A partition that is asked for by its own name answers nothing, but to the owner: see below.
ALTER TABLE hubbub.records ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON hubbub.records USING (tenant = (SELECT current_setting('hubbub.tenant', true)));

-- As in 0002, with the records that functions with SECURITY DEFINER read: behind a policy no index of words is used, and
-- tasks are looked for across tenants.
CREATE OR REPLACE FUNCTION hubbub.hidden_from_owner() RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.walled FROM unnest('{hubbub.channels, hubbub.segments, hubbub.revocations,
        hubbub.records_message, hubbub.records_member, hubbub.records_task}'::regclass[]) AS t (walled)
    WHERE row_security_active(t.walled) AND NOT EXISTS (
        SELECT FROM pg_policy AS p CROSS JOIN unnest(p.polroles) AS r (role)
        WHERE p.polrelid = t.walled AND p.polname = 'owner' AND pg_has_role(current_user, r.role, 'USAGE'))
$$;

-- What is looked up for each of many is looked up for one after the other (LATERAL, with a LIMIT so that it stays so). As a
-- join the planner, who takes a table without statistics for tiny, reads all that a tenant has and compares.

-- Answers questions of acts: of form 0 the record of a name, of form 1 the last of a group up to a place, of form 2 a
-- group; an empty group comes as no name. Kind by kind: a statement that names one opens one partition. (CASE and not
-- coalesce: behind a policy an index is only given what can not tell anything, and Postgres does not trust coalesce.)
CREATE FUNCTION hubbub.answers(
    tenants text[], homes text[], kinds smallint[], forms smallint[], names text[], ats bigint[], most bigint
) RETURNS TABLE (
    number bigint, home text, kind smallint, key text, grp text, "at" bigint, who text, "text" text, body text
)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    asked record;
BEGIN
    FOR asked IN
        SELECT DISTINCT a.tenant COLLATE "C" AS tenant, a.kind, a.form FROM unnest(tenants, kinds, forms) AS a (tenant, kind, form)
        ORDER BY 1, 2, 3
    LOOP
        PERFORM set_config('hubbub.tenant', asked.tenant, true);
        IF asked.form = 0 THEN
            RETURN QUERY
                SELECT a.number, r.*
                FROM unnest(tenants, homes, kinds, forms, names) WITH ORDINALITY AS a (tenant, home, kind, form, name, number)
                    CROSS JOIN LATERAL (
                        SELECT l.home, l.kind, l.key, l.grp, l.at, l.who, l.text, l.body FROM hubbub.records AS l
                        WHERE l.tenant = asked.tenant AND l.home = a.home AND l.kind = asked.kind AND l.key = a.name LIMIT 1
                    ) AS r
                WHERE a.tenant = asked.tenant AND a.kind = asked.kind AND a.form = 0;
        ELSIF asked.form = 1 THEN
            RETURN QUERY
                SELECT a.number, r.* FROM unnest(tenants, homes, kinds, forms, names, ats)
                        WITH ORDINALITY AS a (tenant, home, kind, form, name, at, number)
                    CROSS JOIN LATERAL (
                        SELECT l.home, l.kind, l.key, l.grp, l.at, l.who, l.text, l.body FROM hubbub.records AS l
                        WHERE l.tenant = asked.tenant AND l.home = a.home AND l.kind = asked.kind
                            AND l.grp = CASE WHEN a.name IS NULL THEN '' ELSE a.name END AND l.at <= a.at
                        ORDER BY l.at DESC, l.key DESC LIMIT 1
                    ) AS r
                WHERE a.tenant = asked.tenant AND a.kind = asked.kind AND a.form = 1;
        ELSE
            RETURN QUERY
                SELECT a.number, r.* FROM unnest(tenants, homes, kinds, forms, names)
                        WITH ORDINALITY AS a (tenant, home, kind, form, name, number)
                    CROSS JOIN LATERAL (
                        SELECT l.home, l.kind, l.key, l.grp, l.at, l.who, l.text, l.body FROM hubbub.records AS l
                        WHERE l.tenant = asked.tenant AND l.home = a.home AND l.kind = asked.kind
                            AND l.grp = CASE WHEN a.name IS NULL THEN '' ELSE a.name END
                        ORDER BY l.at, l.key LIMIT most
                    ) AS r
                WHERE a.tenant = asked.tenant AND a.kind = asked.kind AND a.form = 2;
        END IF;
    END LOOP;
END $$;

-- Writes what a batch changes of records whose homes are locked. A text comes with a sign before it, since it may be empty.
CREATE FUNCTION hubbub.write_records(
    tenants text[], homes text[], kinds smallint[], keys text[], groups text[], ats bigint[], whos text[], texts text[],
    bodies text[],
    gone_tenants text[], gone_homes text[], gone_kinds smallint[], gone_keys text[]
) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    owner text;
    gone record;
BEGIN
    FOR owner IN SELECT DISTINCT t COLLATE "C" FROM unnest(tenants) AS t ORDER BY 1 LOOP
        PERFORM set_config('hubbub.tenant', owner, true);
        INSERT INTO hubbub.records (kind, tenant, home, key, grp, at, who, text, body, arrived)
            SELECT a.kind, owner, a.home, a.key, coalesce(a.grp, ''), a.at, a.who, substr(a.text, 2), a.body,
                -- What changes keeps its number: else every reaction would take one, and buckets would be all but empty.
                CASE WHEN a.kind = 3 THEN coalesce((
                    SELECT l.arrived FROM hubbub.records AS l
                    WHERE l.tenant = owner AND l.home = a.home AND l.kind = 3 AND l.key = a.key LIMIT 1
                ), nextval('hubbub.arrivals')) ELSE 0 END
            FROM unnest(tenants, homes, kinds, keys, groups, ats, whos, texts, bodies)
                AS a (tenant, home, kind, key, grp, at, who, text, body)
            WHERE a.tenant = owner
            ON CONFLICT (tenant, home, kind, key) DO UPDATE SET
                grp = excluded.grp, at = excluded.at, who = excluded.who, text = excluded.text, body = excluded.body;
    END LOOP;
    FOR gone IN
        SELECT a.tenant COLLATE "C" AS tenant, a.home, a.kind, a.key
        FROM unnest(gone_tenants, gone_homes, gone_kinds, gone_keys) AS a (tenant, home, kind, key) ORDER BY 1
    LOOP
        PERFORM set_config('hubbub.tenant', gone.tenant, true);
        DELETE FROM hubbub.records AS r
            WHERE r.tenant = gone.tenant AND r.home = gone.home AND r.kind = gone.kind AND r.key = gone.key;
    END LOOP;
END $$;

-- hubbub.erase for many. What the keys of the messages were scoped to is told before it is forgotten.
CREATE FUNCTION hubbub.erase_all(tenants text[], names text[], offsets bigint[])
RETURNS TABLE (number bigint, channel_id bigint, publisher text, key text)
LANGUAGE plpgsql AS $$
DECLARE
    asked record;
BEGIN
    FOR asked IN SELECT * FROM unnest(tenants, names, offsets) WITH ORDINALITY AS a (tenant, name, at, number) LOOP
        PERFORM set_config('hubbub.tenant', asked.tenant, true);
        number := asked.number;
        FOR channel_id, publisher, key IN SELECT * FROM hubbub.erase(asked.tenant, asked.name, asked.at) LOOP
            RETURN NEXT;
        END LOOP;
    END LOOP;
END $$;

-- Forgets what the messages of keys said. Every slot is named, since their indexes begin with it.
CREATE FUNCTION hubbub.forget_digests(tenants text[], channels bigint[], scopes bytea[], offsets bigint[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    asked record;
BEGIN
    FOR asked IN SELECT * FROM unnest(tenants, channels, scopes, offsets) AS a (tenant, channel, scope, at) LOOP
        PERFORM set_config('hubbub.tenant', asked.tenant, true);
        UPDATE hubbub.keys AS k SET digest = NULL
            WHERE k.slot IN (0, 1, 2, 3) AND k.tenant = asked.tenant AND k.channel_id = asked.channel AND k.scope = asked.scope
                AND k."offset" = asked.at;
    END LOOP;
END $$;

-- Takes channels back that this very transaction has made to lock them, and appended nothing to: an act that is refused
-- makes no log. Nobody else has seen them.
CREATE FUNCTION hubbub.unmake_channels(ids bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT hubbub.must_see_all();
    DELETE FROM hubbub.channels AS c WHERE c.id = ANY (ids) AND c.head = 0 AND c.xmin = pg_current_xact_id()::xid
$$;

-- Records about a user, by kind, home and key, behind one. No homes: in all.
CREATE FUNCTION hubbub.records_of(
    owner text, about text, kinds smallint[], homes text[], after_kind smallint, after_home text, after_key text, most bigint
) RETURNS TABLE (home text, kind smallint, key text, grp text, "at" bigint, who text, "text" text, body text)
-- Planned anew each time: of a table with next to nothing in it a plan would be kept that goes through all users.
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    present smallint;
    from_home text;
    from_key text;
    rest bigint := most;
    found_now bigint;
BEGIN
    FOR present IN SELECT k FROM unnest(kinds) AS k WHERE k >= after_kind ORDER BY k LOOP
        from_home := CASE WHEN present = after_kind THEN after_home ELSE '' END;
        from_key := CASE WHEN present = after_kind THEN after_key ELSE '' END;
        IF cardinality(homes) = 0 THEN
            RETURN QUERY
                SELECT r.home, r.kind, r.key, r.grp, r.at, r.who, r.text, r.body FROM hubbub.records AS r
                WHERE r.tenant = owner AND r.who = about AND r.kind = present AND (r.home, r.key) > (from_home, from_key)
                ORDER BY r.home, r.key LIMIT rest;
        ELSE
            RETURN QUERY
                SELECT r.* FROM (SELECT DISTINCT h COLLATE "C" AS home FROM unnest(homes) AS h) AS a
                    CROSS JOIN LATERAL (
                        SELECT l.home, l.kind, l.key, l.grp, l.at, l.who, l.text, l.body FROM hubbub.records AS l
                        WHERE l.tenant = owner AND l.who = about AND l.kind = present AND l.home = a.home
                            AND (l.home, l.key) > (from_home, from_key)
                        ORDER BY l.key LIMIT rest
                    ) AS r
                ORDER BY r.home, r.key LIMIT rest;
        END IF;
        GET DIAGNOSTICS found_now = ROW_COUNT;
        rest := rest - found_now;
        EXIT WHEN rest <= 0;
    END LOOP;
END $$;

-- Messages of the tenant whose words fit: in one channel, or in those that a user has joined; of very many the newest. `asked` is
-- all of the words, `whole` those that are not only the beginning of one. The index is asked bucket by bucket, the newest two slice
-- by slice, until `ranked` fit or `looked` had the words. That tenant, channel and author are the right ones is compared again, in a way that
-- leads into no other index.
CREATE FUNCTION hubbub.search(
    within text, joined_by text, author text, asked text, whole text, ranked bigint, looked bigint, most bigint, past bigint
) RETURNS TABLE (home text, kind smallint, key text, grp text, "at" bigint, who text, "text" text, body text)
-- Planned anew each time: whether a channel is one of many is quick to say of constants. An index of words has bitmaps alone.
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_bitmapscan = on
    SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    owner CONSTANT text := current_setting('hubbub.tenant', true);
    all_words CONSTANT text := ' ' || to_tsquery('pg_catalog.simple', asked)::text;
    newest CONSTANT bigint := (SELECT a.last_value FROM hubbub.arrivals AS a) >> 13;
    -- Of more rooms the index is not asked: they are told apart from others when they are read.
    named CONSTANT bigint := 16;
    homes text[] := ARRAY[within];
    place tsquery;
    -- What the index is asked, and how many of its answers are read.
    asking text;
    enough bigint;
    came bigint;
    had bigint;
    oldest bigint;
    sliced bigint := 2;                                                 -- buckets
    keys text[];
    in_homes text[];
    arrivals bigint[];
    ranks real[];
BEGIN
    PERFORM hubbub.must_see_all();
    IF all_words = ' ' THEN RETURN; END IF;
    IF within IS NULL THEN
        SELECT array_agg(m.home) INTO homes FROM hubbub.records_member AS m
            WHERE m.tenant = owner AND m.who = joined_by AND m.grp || '' = 'joined';
        IF homes IS NULL THEN RETURN; END IF;
    END IF;
    -- Names of the hub have no quotes.
    place := ((CASE WHEN cardinality(homes) > named THEN quote_literal('/' || owner)
        ELSE (SELECT '(' || string_agg(quote_literal('/' || owner || '/' || h), ' | ') || ')' FROM unnest(homes) AS h) END)
        || coalesce(' & ' || quote_literal('@' || author), ''))::tsquery;
    -- A room that has no more than are looked at is read: the index would be asked about all others too.
    IF within IS NOT NULL AND (SELECT count(*) FROM (SELECT FROM hubbub.records_message AS r
            WHERE r.tenant = owner AND r.home = within AND r.kind = 3 LIMIT looked) AS f) < looked THEN
        SELECT array_agg(f.key), array_agg(within), array_agg(f.arrived), array_agg(ts_rank(f.words, f.fits))
            INTO keys, in_homes, arrivals, ranks
            FROM (
                SELECT r.key, r.arrived, r.words, replace(all_words, ' ''', ' ''' || (r.arrived >> 16) || '/')::tsquery AS fits
                FROM hubbub.records_message AS r
                WHERE r.tenant = owner AND r.home = within AND r.kind = 3 AND (author IS NULL OR r.who || '' = author)
                OFFSET 0
            ) AS f
            WHERE f.words @@ f.fits;
    ELSE
        -- The whole words first. The beginning of a word may be that of half of all messages: then the newest of these will do.
        FOREACH asking IN ARRAY array_remove(ARRAY[' ' || to_tsquery('pg_catalog.simple', whole)::text, all_words], NULL) LOOP
            enough := CASE WHEN asking = all_words AND cardinality(homes) <= named THEN ranked ELSE looked END;
            SELECT count(*), count(*) FILTER (WHERE f.has), min(f.arrived), array_agg(f.key) FILTER (WHERE f.has AND f.ours),
                    array_agg(f.home) FILTER (WHERE f.has AND f.ours), array_agg(f.arrived) FILTER (WHERE f.has AND f.ours),
                    array_agg(ts_rank(f.words, f.fits)) FILTER (WHERE f.has AND f.ours)
                INTO came, had, oldest, keys, in_homes, arrivals, ranks
                FROM (
                    SELECT r.*, b.fits, r.words @@ b.fits AS has, r.home = ANY (homes) AS ours
                    FROM (
                            -- OFFSET: once for each, not for each row.
                            SELECT replace(asking, ' ''', ' ''' || p.bucket || '/')::tsquery && place && p.slice AS in_index,
                                replace(all_words, ' ''', ' ''' || p.bucket || '/')::tsquery AS fits
                            FROM (
                                SELECT s >> 3, quote_literal('//' || s)::tsquery
                                    FROM generate_series(newest, greatest((newest >> 3) + 1 - sliced, 0) << 3, -1) AS s
                                UNION ALL SELECT n, place FROM generate_series((newest >> 3) - sliced, 0, -1) AS n
                            ) AS p (bucket, slice) OFFSET 0
                        ) AS b
                        CROSS JOIN LATERAL (
                            SELECT l.key, l.home, l.arrived, l.words FROM hubbub.records_message AS l
                            WHERE l.words @@ b.in_index AND l.tenant || '' = owner AND (author IS NULL OR l.who || '' = author)
                            ORDER BY l.arrived DESC
                        ) AS r
                    LIMIT enough
                ) AS f;
            EXIT WHEN came < enough OR had * 10 >= came;
            -- A bucket at once, unless it promises far more than enough: the places of a beginning are those of the bucket.
            sliced := CASE WHEN had * 65536 / (((newest + 1) << 13) - oldest) > 4 * ranked THEN 2 ELSE 0 END;
        END LOOP;
    END IF;
    RETURN QUERY
        SELECT r.* FROM (
                SELECT n.* FROM (
                    SELECT f.* FROM unnest(keys, in_homes, arrivals, ranks) AS f (key, home, arrived, rank)
                    ORDER BY f.arrived DESC LIMIT ranked
                ) AS n ORDER BY n.rank DESC, n.key COLLATE "C" DESC LIMIT most OFFSET past
            ) AS b
            CROSS JOIN LATERAL (
                SELECT l.home, l.kind, l.key, l.grp, l.at, l.who, l.text, l.body FROM hubbub.records_message AS l
                WHERE l.tenant = owner AND l.home = b.home AND l.kind = 3 AND l.key = b.key LIMIT 1
            ) AS r
        ORDER BY b.rank DESC, b.key COLLATE "C" DESC;
END $$;

-- Tasks of every tenant whose time has come, the oldest first.
CREATE FUNCTION hubbub.due_tasks(now_ms bigint, most bigint)
RETURNS TABLE (tenant text, home text, kind smallint, key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT hubbub.must_see_all();
    SELECT t.tenant, t.home, t.kind, t.key FROM hubbub.records_task AS t WHERE t.at <= now_ms
    ORDER BY t.at, t.tenant, t.home, t.key LIMIT most
$$;

-- What the messages of a log behind an offset say about people, at most `most` of them and, after the first, no more than
-- `most_bytes` of data. Tombstones say nothing. No row: the end.
CREATE FUNCTION hubbub.said(owner text, channel text, after bigint, most bigint, most_bytes bigint)
RETURNS TABLE ("offset" bigint, author text, publisher text, key text, conflate_key text, data text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    log record;
    segment record;
    bytes bigint := 0;
    count bigint := 0;
BEGIN
    SELECT c.id, c.head, greatest(c.low, after) AS past INTO log
        FROM hubbub.channels AS c WHERE c.tenant = owner AND c.name = channel;
    IF NOT FOUND THEN RETURN; END IF;
    FOR segment IN
        SELECT s.slot, s.first, s.last FROM (
            SELECT g.slot, g.first, lead(g.first, 1, log.head + 1) OVER (ORDER BY g.first) - 1 AS last
            FROM hubbub.segments AS g WHERE g.channel_id = log.id AND g.tenant = owner
        ) AS s WHERE s.last > log.past ORDER BY s.first
    LOOP
        FOR "offset", author, publisher, key, conflate_key, data IN EXECUTE format(
            -- The slot stands in the text, so that no other is opened.
            'SELECT "offset", author, publisher, key, conflate_key, data FROM hubbub.messages
             WHERE slot = %s AND channel_id = $1 AND tenant = $2 AND "offset" BETWEEN $3 AND $4
             ORDER BY "offset" LIMIT $5', segment.slot)
            USING log.id, owner, greatest(segment.first, log.past + 1), segment.last, most - count
        LOOP
            RETURN NEXT;
            count := count + 1;
            bytes := bytes + coalesce(octet_length(data), 0);
            IF bytes > most_bytes THEN RETURN; END IF;
        END LOOP;
        IF count >= most THEN RETURN; END IF;
    END LOOP;
END $$;

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

-- As in 0002, but each channel is looked up for itself: see above hubbub.answers.
CREATE OR REPLACE FUNCTION hubbub.lock_channels(tenants text[], names text[])
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
                AND (SELECT c.id FROM hubbub.channels AS c WHERE c.tenant = owner AND c.name = a.name) IS NULL
            ORDER BY a.name COLLATE "C"
            ON CONFLICT DO NOTHING;
        RETURN QUERY
            SELECT a.number, c.* FROM (
                    SELECT n.name, n.number FROM unnest(tenants, names) WITH ORDINALITY AS n (tenant, name, number)
                    WHERE n.tenant = owner ORDER BY n.name COLLATE "C"
                ) AS a
                CROSS JOIN LATERAL (
                    SELECT l.id, l.ordinal, l.head FROM hubbub.channels AS l
                    WHERE l.tenant = owner AND l.name = a.name LIMIT 1 FOR UPDATE
                ) AS c;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION hubbub.held_keys(tenants text[], names text[], scopes bytea[])
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
                CROSS JOIN LATERAL (
                    SELECT l.id FROM hubbub.channels AS l WHERE l.tenant = owner AND l.name = a.name LIMIT 1
                ) AS c
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

CREATE OR REPLACE FUNCTION hubbub.write(
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
            SELECT c.whole AS channel, w.full_page, CASE WHEN w.full_page THEN s.slot ELSE w.quiet END AS into_slot
            FROM unnest(head_tenants, head_channels) AS a (tenant, id)
                CROSS JOIN LATERAL (SELECT l AS whole, l.* FROM hubbub.channels AS l WHERE l.tenant = owner AND l.id = a.id LIMIT 1) AS c
                CROSS JOIN LATERAL (
                    SELECT l.slot FROM hubbub.slots AS l WHERE l.class = c.class AND l.taking AND l.class < 9 LIMIT 1
                ) AS s
                CROSS JOIN LATERAL (SELECT hubbub.quiet_slot(c.id) AS quiet,
                    c.slot IS NOT NULL AND c.head - greatest(c.low, c.segment - 1) >= page AS full_page) AS w
            WHERE a.tenant = owner AND c.slot IS DISTINCT FROM s.slot AND (w.full_page OR c.slot IS DISTINCT FROM w.quiet)
        LOOP
            PERFORM hubbub.turn(turning.channel, turning.into_slot,
                NOT turning.full_page AND (turning.channel).slot IS NOT NULL);
        END LOOP;
        INSERT INTO hubbub.epoch_starts (channel_id, ordinal, tenant, starts_after)
            SELECT c.id, present, owner, c.head FROM unnest(head_tenants, head_channels) AS a (tenant, id)
                CROSS JOIN LATERAL (SELECT l AS whole, l.* FROM hubbub.channels AS l WHERE l.tenant = owner AND l.id = a.id LIMIT 1) AS c
            WHERE a.tenant = owner AND c.ordinal IS DISTINCT FROM present;
        INSERT INTO hubbub.messages
                (slot, channel_id, "offset", time, id, tenant, publisher, key, conflate_key, author, data)
            SELECT c.slot, c.id, a.at, a.time, decode(a.id, 'hex'), owner, a.publisher, a.key, a.conflate_key, a.author, a.data
            FROM unnest(tenants, channels, offsets, times, ids, publishers, message_keys, conflate_keys, authors, datas)
                    AS a (tenant, channel, at, time, id, publisher, key, conflate_key, author, data)
                CROSS JOIN LATERAL (SELECT l.* FROM hubbub.channels AS l WHERE l.tenant = owner AND l.id = a.channel LIMIT 1) AS c
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

CREATE OR REPLACE FUNCTION hubbub.heads(tenants text[], names text[]) RETURNS TABLE (number bigint, head bigint, low bigint)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    owner text;
BEGIN
    FOR owner IN SELECT DISTINCT t COLLATE "C" FROM unnest(tenants) AS t ORDER BY 1 LOOP
        PERFORM set_config('hubbub.tenant', owner, true);
        RETURN QUERY
            SELECT a.number, c.head, c.low
            FROM unnest(tenants, names) WITH ORDINALITY AS a (tenant, name, number)
                CROSS JOIN LATERAL (
                    SELECT l.head, l.low FROM hubbub.channels AS l WHERE l.tenant = owner AND l.name = a.name LIMIT 1
                ) AS c
            WHERE a.tenant = owner;
    END LOOP;
END $$;
