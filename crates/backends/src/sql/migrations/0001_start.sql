-- Times are milliseconds since 1970. Ids are never given out again, whatever becomes of their rows.

-- Raised by every writing transaction; rows that synchronisation reports carry its value as `touched`.
CREATE TABLE commit_counter (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO commit_counter (id, value) VALUES (1, 0);

CREATE TABLE account (
    id {ID},
    username TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    kind BIGINT NOT NULL,
    server_role BIGINT NOT NULL,
    suspended BOOLEAN NOT NULL DEFAULT FALSE,
    deleted_at BIGINT,
    locale TEXT NOT NULL DEFAULT 'en',
    user_rev BIGINT NOT NULL DEFAULT 0,
    last_seen_at BIGINT,
    created_at BIGINT NOT NULL
);

CREATE TABLE account_key (
    search_key TEXT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (search_key, user_id)
){CLUSTERED};
CREATE INDEX account_key_user ON account_key (user_id);

CREATE TABLE login (
    id {ID},
    device_id {BLOB} NOT NULL UNIQUE,
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);
CREATE INDEX login_user ON login (user_id);

CREATE TABLE conversation (
    id {ID},
    kind BIGINT NOT NULL,
    title TEXT,
    description TEXT,
    -- Both ids of a direct conversation, smaller first, or the one of somebody's own notes.
    direct_key TEXT UNIQUE,
    owner_id BIGINT REFERENCES account (id),
    created_by BIGINT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    last_rev BIGINT NOT NULL,
    members_rev BIGINT NOT NULL,
    last_activity_at BIGINT NOT NULL,
    member_count BIGINT NOT NULL,
    post BIGINT NOT NULL DEFAULT 0,
    touched BIGINT NOT NULL
);

CREATE TABLE member (
    conversation_id BIGINT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES account (id),
    role BIGINT NOT NULL,
    joined_at BIGINT NOT NULL,
    joined_seq BIGINT NOT NULL,
    history_from_seq BIGINT NOT NULL DEFAULT 1,
    left_at BIGINT,
    delivered_seq BIGINT NOT NULL,
    seen_seq BIGINT NOT NULL,
    cleared_seq BIGINT NOT NULL DEFAULT 0,
    muted_until BIGINT,
    archived BOOLEAN NOT NULL DEFAULT FALSE,
    pinned_order BIGINT,
    marked_unread BOOLEAN NOT NULL DEFAULT FALSE,
    touched BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id),
    CHECK (seen_seq <= delivered_seq)
){CLUSTERED};
CREATE INDEX member_user ON member (user_id);

CREATE TABLE message (
    id {ID},
    conversation_id BIGINT NOT NULL REFERENCES conversation (id),
    seq BIGINT NOT NULL,
    rev BIGINT NOT NULL,
    author_id BIGINT NOT NULL REFERENCES account (id),
    -- The author's key and a hash of what was sent; system messages have neither.
    client_id {BLOB},
    content_hash {BLOB},
    -- What a system message tells, as JSON.
    note TEXT,
    body TEXT NOT NULL,
    reply_to_id BIGINT,
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX message_seq ON message (conversation_id, seq);
CREATE UNIQUE INDEX message_key ON message (author_id, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX message_rev ON message (conversation_id, rev);
