-- What people report, with a copy of what was said: JSON, the reported message last.
CREATE TABLE report (
    id {ID},
    reporter_id BIGINT NOT NULL REFERENCES account (id),
    message_id BIGINT NOT NULL,
    conversation_id BIGINT NOT NULL,
    reported_id BIGINT NOT NULL REFERENCES account (id),
    reason TEXT NOT NULL,
    copy TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- 0 open, 1 resolved, 2 dismissed.
    status BIGINT NOT NULL DEFAULT 0,
    handled_by BIGINT,
    handled_at BIGINT
);
CREATE UNIQUE INDEX report_once ON report (reporter_id, message_id);
CREATE INDEX report_lately ON report (reporter_id, created_at);
CREATE INDEX report_status ON report (status, id);

-- What administrators did; the subject is JSON.
CREATE TABLE audit (
    id {ID},
    actor_id BIGINT NOT NULL REFERENCES account (id),
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- Invites to this server, for registering where only those who are invited may.
CREATE TABLE server_invite (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    created_by BIGINT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    max_uses BIGINT,
    uses BIGINT NOT NULL DEFAULT 0,
    revoked_at BIGINT
);
