-- Times are milliseconds since 1970. Ids are never given out again, so AUTOINCREMENT where rows may go.

-- Raised by every writing transaction; rows that synchronisation reports carry its value as `touched`.
CREATE TABLE commit_counter (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
);
INSERT INTO commit_counter (id, value) VALUES (1, 0);

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    kind INTEGER NOT NULL,
    server_role INTEGER NOT NULL,
    suspended BOOLEAN NOT NULL DEFAULT FALSE,
    deleted_at INTEGER,
    locale TEXT NOT NULL DEFAULT 'en',
    user_rev INTEGER NOT NULL DEFAULT 0,
    last_seen_at INTEGER,
    created_at INTEGER NOT NULL
);

CREATE TABLE account_key (
    search_key TEXT NOT NULL,
    user_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (search_key, user_id)
) WITHOUT ROWID;
CREATE INDEX account_key_user ON account_key (user_id);

CREATE TABLE login (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id BLOB NOT NULL UNIQUE,
    user_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
);
CREATE INDEX login_user ON login (user_id);

CREATE TABLE conversation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    title TEXT,
    description TEXT,
    -- Both ids of a direct conversation, smaller first, or the one of somebody's own notes.
    direct_key TEXT UNIQUE,
    owner_id INTEGER REFERENCES account (id),
    created_by INTEGER NOT NULL REFERENCES account (id),
    created_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    last_rev INTEGER NOT NULL,
    members_rev INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    member_count INTEGER NOT NULL,
    post INTEGER NOT NULL DEFAULT 0,
    touched INTEGER NOT NULL
);

CREATE TABLE member (
    conversation_id INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES account (id),
    role INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    joined_seq INTEGER NOT NULL,
    history_from_seq INTEGER NOT NULL DEFAULT 1,
    left_at INTEGER,
    delivered_seq INTEGER NOT NULL,
    seen_seq INTEGER NOT NULL,
    cleared_seq INTEGER NOT NULL DEFAULT 0,
    muted_until INTEGER,
    archived BOOLEAN NOT NULL DEFAULT FALSE,
    pinned_order INTEGER,
    marked_unread BOOLEAN NOT NULL DEFAULT FALSE,
    touched INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, user_id),
    CHECK (seen_seq <= delivered_seq)
) WITHOUT ROWID;
CREATE INDEX member_user ON member (user_id);

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    seq INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    author_id INTEGER NOT NULL REFERENCES account (id),
    -- The author's key and a hash of what was sent; system messages have neither.
    client_id BLOB,
    content_hash BLOB,
    -- What a system message tells, as JSON.
    note TEXT,
    body TEXT NOT NULL,
    reply_to_id INTEGER,
    created_at INTEGER NOT NULL,
    edited_at INTEGER,
    deleted_at INTEGER
);
CREATE UNIQUE INDEX message_seq ON message (conversation_id, seq);
CREATE UNIQUE INDEX message_key ON message (author_id, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX message_rev ON message (conversation_id, rev);
