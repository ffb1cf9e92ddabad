ALTER TABLE conversation ADD COLUMN settings_rev BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN deleted_at BIGINT;
-- 0 off, 1 restricted, 2 members.
ALTER TABLE conversation ADD COLUMN edit_history BIGINT NOT NULL DEFAULT 0;
-- Seconds; none is without end.
ALTER TABLE conversation ADD COLUMN edit_window_s BIGINT DEFAULT 172800;
ALTER TABLE conversation ADD COLUMN delete_window_s BIGINT;
-- 0 everybody, 1 administrators; so is `post`.
ALTER TABLE conversation ADD COLUMN invite BIGINT NOT NULL DEFAULT 1;
ALTER TABLE conversation ADD COLUMN info BIGINT NOT NULL DEFAULT 1;
ALTER TABLE conversation ADD COLUMN pin BIGINT NOT NULL DEFAULT 1;
-- What newcomers see of the past: 0 all, 1 nothing.
ALTER TABLE conversation ADD COLUMN newcomers BIGINT NOT NULL DEFAULT 0;
-- Messages below are gone: of a deleted conversation step by step.
ALTER TABLE conversation ADD COLUMN purged_before_seq BIGINT NOT NULL DEFAULT 0;
CREATE INDEX conversation_deleted ON conversation (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX conversation_creator ON conversation (created_by, created_at);

-- How far a past member may look.
ALTER TABLE member ADD COLUMN left_seq BIGINT;
ALTER TABLE member ADD COLUMN left_rev BIGINT;
ALTER TABLE member ADD COLUMN invited_by BIGINT;
-- 0 all, 1 mentions, 2 none.
ALTER TABLE member ADD COLUMN notify BIGINT NOT NULL DEFAULT 0;
-- Out of the list until there is a later message than this one.
ALTER TABLE member ADD COLUMN hidden_seq BIGINT;
-- JSON, and when it was stored.
ALTER TABLE member ADD COLUMN draft TEXT;
ALTER TABLE member ADD COLUMN draft_at BIGINT;

CREATE TABLE ban (
    conversation_id BIGINT NOT NULL REFERENCES conversation (id),
    user_id BIGINT NOT NULL REFERENCES account (id),
    banned_by BIGINT NOT NULL REFERENCES account (id),
    banned_at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
);

CREATE TABLE invite (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    conversation_id BIGINT NOT NULL REFERENCES conversation (id),
    created_by BIGINT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    max_uses BIGINT,
    uses BIGINT NOT NULL DEFAULT 0,
    revoked_at BIGINT
);
CREATE INDEX invite_conversation ON invite (conversation_id, created_at);
