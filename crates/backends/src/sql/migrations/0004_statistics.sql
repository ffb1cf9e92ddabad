-- One row for each app and minute in which something happened.
CREATE TABLE statistics (
    app_id TEXT NOT NULL,
    -- Seconds of Unix time.
    at INTEGER NOT NULL,
    connections_peak INTEGER NOT NULL,
    frames_received INTEGER NOT NULL,
    api_messages INTEGER NOT NULL,
    messages_sent INTEGER NOT NULL,
    PRIMARY KEY (app_id, at)
) WITHOUT ROWID;
CREATE INDEX statistics_at ON statistics (at);
