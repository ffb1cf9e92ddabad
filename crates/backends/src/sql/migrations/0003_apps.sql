-- Apps beside those of the settings. Secrets must be readable to check signatures with.
CREATE TABLE app (
    id TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL
){CLUSTERED};

CREATE TABLE app_key (
    key TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    place BIGINT NOT NULL,
    secret TEXT NOT NULL,
    retires_at BIGINT
){CLUSTERED};
CREATE INDEX app_key_app ON app_key (app_id, place);

-- Raised by every change of an app, so that a running server sees what another process has changed.
CREATE TABLE app_version (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO app_version (id, value) VALUES (1, 0);
