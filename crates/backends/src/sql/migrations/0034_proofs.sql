-- Second factors, tickets that prove something once, addresses for mail, and mail that waits to be sent.

CREATE TABLE ticket (
    -- SHA-256 of the secret, in hex.
    secret_hash TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- What it is for: 0 the rest of a log-in, 1 an e-mail address, 2 a new password.
    purpose BIGINT NOT NULL,
    -- Name of the device, or the address.
    subject TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ticket_user ON ticket (user_id, purpose);
CREATE INDEX ticket_expiry ON ticket (expires_at);

CREATE TABLE second_factor (
    user_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    secret {BLOB} NOT NULL,
    -- Absent until a first code has shown that the user's device has the secret.
    confirmed_at BIGINT,
    -- The number of the last period of 30 seconds of which a code was taken.
    last_step BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE recovery_code (
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL,
    PRIMARY KEY (user_id, code_hash)
){CLUSTERED};

-- The address that was proven, as written and as compared, and one that is still to be proven.
ALTER TABLE account ADD COLUMN email TEXT;
ALTER TABLE account ADD COLUMN email_key TEXT;
ALTER TABLE account ADD COLUMN email_verified_at BIGINT;
ALTER TABLE account ADD COLUMN email_wanted TEXT;
CREATE UNIQUE INDEX account_email ON account (email_key) WHERE email_key IS NOT NULL;

-- The text is written when the mail is sent, so no secret waits here.
CREATE TABLE mail (
    id {ID},
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind BIGINT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX mail_due ON mail (due_at);
