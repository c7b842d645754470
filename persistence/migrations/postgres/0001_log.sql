-- The log of a store in Postgres. Numbers are 64-bit signed, times are milliseconds since 1970, ids and digests are 16
-- bytes. Why it looks like this stands in docs/decisions/0008-postgres-layout.md.
--
-- Whoever runs the migrations owns everything. Nodes come as another role, which owns nothing and sees, of every table
-- with a tenant, the rows of the tenant that its transaction has set: `set_config('hubbub.tenant', …, true)`.
-- What looks across tenants are the functions with SECURITY DEFINER in 0002, and they answer little.

-- Which database this was when the present epoch began. It changes with a restart, a failover and a restore.
CREATE TABLE hubbub.identity (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    system_identifier bigint,
    timeline bigint,
    started timestamptz
);
INSERT INTO hubbub.identity DEFAULT VALUES;

-- The epochs of the store, oldest first. The last one is the present.
CREATE TABLE hubbub.epochs (
    ordinal integer PRIMARY KEY CHECK (ordinal > 0),
    epoch bigint NOT NULL UNIQUE CHECK (epoch >= 0),
    began timestamptz NOT NULL DEFAULT now()
);

-- How long messages live decides beside which others they lie: those that lie together go together.
CREATE TABLE hubbub.classes (
    class smallint PRIMARY KEY,
    -- Messages of a channel live at most so long.
    lives_ms bigint NOT NULL,
    -- A slot takes messages for so long. NULL: for ever; expired ones are deleted.
    width_ms bigint CHECK (width_ms > 0)
);
INSERT INTO hubbub.classes VALUES
    (0, 7 * 86400000::bigint, 2 * 86400000::bigint),
    (1, 100 * 86400000::bigint, 25 * 86400000::bigint),
    (2, 9223372036854775807, 91 * 86400000::bigint),
    -- Channels with less than a page of messages in the time of a slot: they would lie in many.
    (9, 9223372036854775807, NULL);

-- The partitions of `messages`. One takes the new messages of its class, older ones wait until all that is in them has
-- expired, blank ones wait for their turn: partitions are truncated and used again, never dropped. The first eight are
-- those of quiet channels, which are spread over them and stay.
CREATE TABLE hubbub.slots (
    slot integer PRIMARY KEY,
    class smallint REFERENCES hubbub.classes (class),                   -- NULL: blank
    taking boolean NOT NULL DEFAULT false CHECK (class IS NOT NULL OR NOT taking),
    since_ms bigint,                                                    -- when it began to take messages
    empty_since_ms bigint                                               -- when it was first found without live messages
);
CREATE UNIQUE INDEX slots_taking ON hubbub.slots (class) WHERE taking AND class < 9;

CREATE TABLE hubbub.channels (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    ordinal integer REFERENCES hubbub.epochs (ordinal),                 -- the epoch of its newest append
    head bigint NOT NULL DEFAULT 0,
    low bigint NOT NULL DEFAULT 0,
    class smallint NOT NULL DEFAULT 2 REFERENCES hubbub.classes (class),
    slot integer,                                                       -- of its newest segment
    segment bigint,                                                     -- the first offset of its newest segment
    UNIQUE (tenant, name),
    CHECK (0 <= low AND low <= head)
) WITH (fillfactor = 70); -- heads move all the time: new versions of a row find room on its page

-- A segment is a run of offsets of a channel that lies in one slot; it ends where the next one begins. All but the
-- newest had a page of messages when they ended, so that a page lies in two slots at most.
CREATE TABLE hubbub.segments (
    channel_id bigint NOT NULL,
    first bigint NOT NULL CHECK (first > 0),
    tenant text COLLATE "C" NOT NULL,
    slot integer NOT NULL REFERENCES hubbub.slots (slot),
    PRIMARY KEY (channel_id, first)
);
CREATE INDEX segments_by_slot ON hubbub.segments (slot);

-- In the epoch `ordinal` the first append to the channel came after the offset `starts_after`. Offsets up to there are
-- the same messages in every older epoch that the store knows.
CREATE TABLE hubbub.epoch_starts (
    channel_id bigint NOT NULL,
    ordinal integer NOT NULL REFERENCES hubbub.epochs (ordinal),
    tenant text COLLATE "C" NOT NULL,
    starts_after bigint NOT NULL CHECK (starts_after >= 0),
    PRIMARY KEY (channel_id, ordinal)
);

-- A tombstone is a row without publisher, key, conflate_key, author and data. The id stays: it names, it does not tell.
-- No foreign key to channels: it would be looked up for every message, and nothing but hubbub.write makes messages.
CREATE TABLE hubbub.messages (
    slot integer NOT NULL,
    channel_id bigint NOT NULL,
    "offset" bigint NOT NULL CHECK ("offset" > 0),
    time bigint NOT NULL CHECK (time >= 0),
    id bytea NOT NULL CHECK (octet_length(id) = 16),
    tenant text COLLATE "C" NOT NULL,
    publisher text,
    key text,
    conflate_key text,
    author text,
    data text,                                                          -- JSON, as it came
    PRIMARY KEY (slot, channel_id, "offset"),
    UNIQUE (slot, channel_id, id)
) PARTITION BY LIST (slot);

-- Idempotency keys. They outlive their messages, so they hold all that a repeated append is answered with. A ring of
-- four slots: one takes new keys, two more are read, the fourth is blank or about to be.
CREATE TABLE hubbub.key_slots (
    slot integer PRIMARY KEY,
    turn bigint NOT NULL UNIQUE,                                        -- the highest takes new keys
    since_ms bigint NOT NULL,
    blank boolean NOT NULL
);
INSERT INTO hubbub.key_slots VALUES (0, 0, 0, true), (1, 1, 0, true), (2, 2, 0, true), (3, 3, 0, true);

CREATE TABLE hubbub.keys (
    slot integer NOT NULL,
    channel_id bigint NOT NULL,
    "offset" bigint NOT NULL CHECK ("offset" > 0),
    time bigint NOT NULL CHECK (time >= 0),
    scope bytea NOT NULL CHECK (octet_length(scope) = 16),              -- digest of publisher and key
    id bytea NOT NULL CHECK (octet_length(id) = 16),
    digest bytea CHECK (octet_length(digest) = 16),                     -- of what the message said; NULL once it is erased
    tenant text COLLATE "C" NOT NULL,
    PRIMARY KEY (slot, channel_id, scope)
) PARTITION BY LIST (slot);
CREATE TABLE hubbub.keys_0 PARTITION OF hubbub.keys FOR VALUES IN (0);
CREATE TABLE hubbub.keys_1 PARTITION OF hubbub.keys FOR VALUES IN (1);
CREATE TABLE hubbub.keys_2 PARTITION OF hubbub.keys FOR VALUES IN (2);
CREATE TABLE hubbub.keys_3 PARTITION OF hubbub.keys FOR VALUES IN (3);

CREATE TABLE hubbub.revocations (
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('token', 'user')),
    subject text COLLATE "C" NOT NULL,
    before bigint NOT NULL CHECK (before >= 0),                         -- seconds since 1970; 0 for a token
    until bigint NOT NULL CHECK (until >= 0),
    PRIMARY KEY (tenant, kind, subject)
);
CREATE INDEX revocations_by_end ON hubbub.revocations (until);

-- The second wall: whatever a statement asks for, it gets the rows of one tenant. FORCE holds for the owner too. A
-- partition that is asked for by its own name answers nothing: it has no policy, and nobody was granted it.
DO $$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['channels', 'segments', 'epoch_starts', 'messages', 'keys', 'revocations'] LOOP
        EXECUTE format('ALTER TABLE hubbub.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', walled);
        -- In a subquery, so that it is looked up once per statement and not once per row.
        EXECUTE format(
            'CREATE POLICY tenant ON hubbub.%I USING (tenant = (SELECT current_setting(''hubbub.tenant'', true)))',
            walled
        );
    END LOOP;
    FOREACH walled IN ARRAY ARRAY['keys_0', 'keys_1', 'keys_2', 'keys_3'] LOOP
        EXECUTE format('ALTER TABLE hubbub.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', walled);
    END LOOP;
END $$;
