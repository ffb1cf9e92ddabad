CREATE TABLE push_subscription (
    login_id BIGINT NOT NULL PRIMARY KEY REFERENCES login (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    endpoint TEXT NOT NULL UNIQUE,
    p256dh {BLOB} NOT NULL,
    auth {BLOB} NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX push_subscription_user ON push_subscription (user_id);

-- Secrets of the server itself, made when they are first needed.
CREATE TABLE server_key (
    name TEXT PRIMARY KEY,
    secret {BLOB} NOT NULL,
    created_at BIGINT NOT NULL
);
