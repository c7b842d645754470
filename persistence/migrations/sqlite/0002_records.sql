-- Records: what rooms remember beside their logs. Why they look like this stands in docs/decisions/0014-records.md.

-- `home` is the channel whose changes are the record's, `grp` what it is listed under, `at` its place there.
CREATE TABLE records (
    row INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    home TEXT NOT NULL,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL CHECK (key <> ''),
    grp TEXT NOT NULL,
    at INTEGER NOT NULL CHECK (at >= 0),
    who TEXT,
    text TEXT,                        -- what search finds it by
    body TEXT NOT NULL,               -- JSON
    UNIQUE (tenant, home, kind, key)
) STRICT;

CREATE INDEX records_by_group ON records (tenant, home, kind, grp, at, key);
CREATE INDEX records_by_user ON records (tenant, who, kind, home, key) WHERE who IS NOT NULL;
-- Lists over all channels: rooms by name, the audit log by time. Those of other kinds read more.
CREATE INDEX records_everywhere ON records (tenant, kind, grp, home, key) WHERE kind = 1;
CREATE INDEX records_placed ON records (tenant, kind, grp, at, home, key) WHERE kind = 10;
-- Tasks.
CREATE INDEX records_due ON records (at, tenant, home, key) WHERE kind = 11;

-- Messages and what they can be found by. Tenant and channel are words too, so that what is somebody else's is passed over
-- in the index; that they are the right ones is compared again.
CREATE VIEW searchable AS SELECT row, tenant, home, text FROM records WHERE kind = 3 AND text IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5 (
    tenant, home, text, content = 'searchable', content_rowid = 'row', detail = 'full',
    -- Words as Postgres takes them: accents count, and marks belong to the letter before.
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* Co'"
);
-- What goes is overwritten here as everywhere in the file.
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER records_come AFTER INSERT ON records WHEN new.kind = 3 AND new.text IS NOT NULL BEGIN
    INSERT INTO words (rowid, tenant, home, text) VALUES (new.row, new.tenant, new.home, new.text);
END;
CREATE TRIGGER records_go AFTER DELETE ON records WHEN old.kind = 3 AND old.text IS NOT NULL BEGIN
    INSERT INTO words (words, rowid, tenant, home, text) VALUES ('delete', old.row, old.tenant, old.home, old.text);
END;
CREATE TRIGGER records_change AFTER UPDATE OF text ON records WHEN old.kind = 3 AND old.text IS NOT new.text BEGIN
    INSERT INTO words (words, rowid, tenant, home, text)
        SELECT 'delete', old.row, old.tenant, old.home, old.text WHERE old.text IS NOT NULL;
    INSERT INTO words (rowid, tenant, home, text)
        SELECT new.row, new.tenant, new.home, new.text WHERE new.text IS NOT NULL;
END;
