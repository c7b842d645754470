-- What a batch brings is put into these and written by the functions that the hub itself calls, as its role and behind its walls:
-- slots, segments, epochs and heads come to be as they do when it writes. Settings are those of its transactions.
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off;
CREATE TEMP TABLE told_event (
    channel text, at bigint, time bigint, id text, publisher text, author text, data text
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE told_record (
    home text, kind smallint, key text, grp text, at bigint, who text, text text, body text
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE told_place (channel text PRIMARY KEY, first bigint, last bigint, id bigint, head bigint) ON COMMIT DELETE ROWS;

CREATE FUNCTION pg_temp.write_batch(tenant text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    names text[];
    owners text[];
BEGIN
    INSERT INTO told_place (channel, first, last) SELECT e.channel, min(e.at), max(e.at) FROM told_event AS e GROUP BY e.channel;
    SELECT array_agg(p.channel ORDER BY p.channel), array_agg(tenant) INTO names, owners FROM told_place AS p;
    UPDATE told_place AS p SET id = l.channel_id, head = l.head
        FROM hubbub.lock_channels(owners, names) AS l WHERE p.channel = names[l.number];
    IF EXISTS (SELECT FROM told_place AS p WHERE p.head + 1 IS DISTINCT FROM p.first) THEN
        RAISE 'a log does not go on where it ended';
    END IF;
    PERFORM hubbub.write(
            (SELECT n.ordinal FROM hubbub.present() AS n),
            owners, p.ids, p.heads,
            e.tenants, e.channels, e.ats, e.times, e.ids, e.publishers, e.nothing, e.nothing, e.authors, e.datas,
            '{}', '{}', '{}', '{}', '{}', '{}', '{}')
        FROM (SELECT array_agg(id ORDER BY channel) AS ids, array_agg(last ORDER BY channel) AS heads FROM told_place) AS p,
            (SELECT array_agg(tenant) AS tenants, array_agg(p.id) AS channels, array_agg(e.at) AS ats, array_agg(e.time) AS times,
                    array_agg(e.id) AS ids, array_agg(e.publisher) AS publishers, array_agg(NULL::text) AS nothing,
                    array_agg(e.author) AS authors, array_agg(e.data) AS datas
             FROM told_event AS e JOIN told_place AS p ON p.channel = e.channel) AS e;
    PERFORM hubbub.write_records(
            array_agg(tenant), array_agg(r.home), array_agg(r.kind), array_agg(r.key), array_agg(nullif(r.grp, '')),
            array_agg(r.at), array_agg(r.who), array_agg('=' || r.text), array_agg(r.body), '{}', '{}', '{}', '{}')
        FROM told_record AS r HAVING count(*) > 0;
END $$;
