-- 0 text, 1 media, 2 voice; what has a note is a system message whatever stands here.
ALTER TABLE message ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;
-- Places in the body that name people: JSON of [user, offset, length], 0 for everybody.
ALTER TABLE message ADD COLUMN mentions TEXT;
ALTER TABLE message ADD COLUMN thread_root_id BIGINT;
ALTER TABLE message ADD COLUMN in_timeline BOOLEAN NOT NULL DEFAULT TRUE;
-- The name of who said it first.
ALTER TABLE message ADD COLUMN forwarded_from TEXT;
ALTER TABLE message ADD COLUMN edit_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN deleted_by BIGINT;
-- False for what was said to somebody who blocks its author: it is never ticked.
ALTER TABLE message ADD COLUMN receipts BOOLEAN NOT NULL DEFAULT TRUE;
-- What the replies of a thread come to, on its root; written with each of them. Participants: JSON of up to three ids.
ALTER TABLE message ADD COLUMN reply_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN last_reply_seq BIGINT;
ALTER TABLE message ADD COLUMN last_reply_at BIGINT;
ALTER TABLE message ADD COLUMN participants TEXT;
-- What the rows of `reaction` come to: JSON of [emoji, count, [up to three ids]], by first use.
ALTER TABLE message ADD COLUMN reactions TEXT;
ALTER TABLE message ADD COLUMN pinned_at BIGINT;

CREATE INDEX message_thread ON message (thread_root_id, seq) WHERE thread_root_id IS NOT NULL;
CREATE INDEX message_pinned ON message (conversation_id, pinned_at) WHERE pinned_at IS NOT NULL;

-- What an edited message said before, where the conversation keeps it.
CREATE TABLE message_version (
    message_id BIGINT NOT NULL REFERENCES message (id),
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mentions TEXT,
    replaced_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, version)
);

-- The rev is that of the change that brought it: the order of first use.
CREATE TABLE reaction (
    message_id BIGINT NOT NULL REFERENCES message (id),
    user_id BIGINT NOT NULL REFERENCES account (id),
    emoji TEXT NOT NULL,
    rev BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, user_id, emoji)
);

-- Who is named in which message. User 0 is everybody, so that naming all of a large group costs one row.
CREATE TABLE mention (
    conversation_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, seq, user_id)
);

CREATE TABLE thread_follow (
    root_id BIGINT NOT NULL REFERENCES message (id),
    user_id BIGINT NOT NULL REFERENCES account (id),
    following BOOLEAN NOT NULL,
    seen_seq BIGINT NOT NULL,
    PRIMARY KEY (root_id, user_id)
);
CREATE INDEX thread_follow_user ON thread_follow (user_id);

-- Messages one user does not see. `touched` is the commit counter's value when the user itself hid it, and 0 for
-- what was hidden from it on arrival, which its devices need not be told.
CREATE TABLE hidden_message (
    user_id BIGINT NOT NULL,
    conversation_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    touched BIGINT NOT NULL,
    PRIMARY KEY (user_id, conversation_id, seq)
);
CREATE INDEX hidden_message_touched ON hidden_message (user_id, touched);

-- When a member's watermarks passed which seq; pruned. Kind 0 is delivered, 1 seen.
CREATE TABLE receipt_advance (
    conversation_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    up_to_seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id, kind, up_to_seq)
);
CREATE INDEX receipt_advance_at ON receipt_advance (at);
