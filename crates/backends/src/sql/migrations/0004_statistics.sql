-- One row for each app and minute in which something happened.
CREATE TABLE statistics (
    app_id TEXT NOT NULL,
    -- Seconds of Unix time.
    at BIGINT NOT NULL,
    connections_peak BIGINT NOT NULL,
    frames_received BIGINT NOT NULL,
    api_messages BIGINT NOT NULL,
    messages_sent BIGINT NOT NULL,
    PRIMARY KEY (app_id, at)
){CLUSTERED};
CREATE INDEX statistics_at ON statistics (at);
