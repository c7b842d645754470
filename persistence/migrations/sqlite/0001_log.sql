-- The log of a store in one SQLite file. Numbers are 64-bit signed, times are milliseconds since 1970.

-- One row: which file this was when it was opened last, so that a copy shows (see src/sqlite/epoch.rs).
CREATE TABLE store (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    device INTEGER NOT NULL,          -- the bits of an unsigned number
    inode INTEGER NOT NULL,           -- the bits of an unsigned number
    seed INTEGER NOT NULL,            -- the bits of the unsigned random number of the last opening
    closed INTEGER NOT NULL CHECK (closed IN (0, 1)),
    checks INTEGER NOT NULL DEFAULT 0 -- counted up to prove that the file can be written
) STRICT;

-- The epochs of the store, oldest first. The last one is the present.
CREATE TABLE epochs (
    ordinal INTEGER PRIMARY KEY CHECK (ordinal > 0),
    epoch INTEGER NOT NULL UNIQUE CHECK (epoch >= 0)
) STRICT;

CREATE TABLE channels (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    ordinal INTEGER NOT NULL REFERENCES epochs (ordinal), -- the epoch of its newest append
    head INTEGER NOT NULL,
    low INTEGER NOT NULL,
    UNIQUE (tenant, name),
    CHECK (0 <= low AND low <= head)
) STRICT;

-- In the epoch `ordinal` the first append to the channel came after the offset `starts_after`. Offsets up to there are
-- the same messages in every older epoch that the store knows.
CREATE TABLE epoch_starts (
    channel_id INTEGER NOT NULL REFERENCES channels (id),
    ordinal INTEGER NOT NULL REFERENCES epochs (ordinal),
    starts_after INTEGER NOT NULL CHECK (starts_after >= 0),
    PRIMARY KEY (channel_id, ordinal)
) STRICT, WITHOUT ROWID;

-- A tombstone is a row without publisher, key, conflate_key, author and data. The id stays: it names, it does not tell.
CREATE TABLE messages (
    channel_id INTEGER NOT NULL REFERENCES channels (id),
    offset INTEGER NOT NULL CHECK (offset > 0),
    id BLOB NOT NULL CHECK (length(id) = 16),
    time INTEGER NOT NULL CHECK (time >= 0),
    publisher TEXT,
    key TEXT,
    conflate_key TEXT,
    author TEXT,
    data TEXT,                        -- JSON, as it came
    PRIMARY KEY (channel_id, offset)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX messages_by_id ON messages (channel_id, id);

-- Idempotency keys. They outlive their messages, so they hold all that a repeated append is answered with. Rows are in
-- the order of their making, so the oldest are found without an index over the time.
CREATE TABLE keys (
    row INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES channels (id),
    scope BLOB NOT NULL CHECK (length(scope) = 16), -- digest of publisher and key
    offset INTEGER NOT NULL CHECK (offset > 0),
    id BLOB NOT NULL CHECK (length(id) = 16),
    time INTEGER NOT NULL CHECK (time >= 0),
    digest BLOB CHECK (length(digest) = 16),        -- of what the message said; NULL once it is erased
    UNIQUE (channel_id, scope)
) STRICT;

CREATE TABLE revocations (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('token', 'user')),
    subject TEXT NOT NULL,
    before INTEGER NOT NULL CHECK (before >= 0), -- seconds since 1970; 0 for a token
    until INTEGER NOT NULL CHECK (until >= 0),
    PRIMARY KEY (tenant, kind, subject)
) STRICT, WITHOUT ROWID;
