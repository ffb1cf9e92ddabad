-- A file that somebody brought. Its bytes lie elsewhere, by their SHA-256.
CREATE TABLE attachment (
    id {BLOB} NOT NULL PRIMARY KEY,
    uploader_id BIGINT NOT NULL REFERENCES account (id),
    -- 0 image, 1 video, 2 audio, 3 voice, 4 file.
    kind BIGINT NOT NULL,
    -- 0 uploading, 1 ready, 2 failed.
    state BIGINT NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    width BIGINT,
    height BIGINT,
    duration_ms BIGINT,
    waveform {BLOB},
    placeholder {BLOB},
    -- Whether its bytes count against the uploader: not when it was only forwarded.
    charged BOOLEAN NOT NULL,
    -- The message it came with, never another one, and its place among that message's.
    message_id BIGINT,
    place BIGINT,
    conversation_id BIGINT,
    seq BIGINT,
    -- Whose picture it is.
    avatar_user_id BIGINT,
    avatar_conversation_id BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX attachment_uploader ON attachment (uploader_id);
CREATE INDEX attachment_message ON attachment (message_id, place) WHERE message_id IS NOT NULL;
CREATE INDEX attachment_place ON attachment (conversation_id, seq, place) WHERE conversation_id IS NOT NULL;
CREATE INDEX attachment_unused ON attachment (created_at)
    WHERE message_id IS NULL AND avatar_user_id IS NULL AND avatar_conversation_id IS NULL;

-- What an attachment refers to: its content as size 0, and its small pictures.
CREATE TABLE attachment_part (
    attachment_id {BLOB} NOT NULL REFERENCES attachment (id),
    size BIGINT NOT NULL,
    digest {BLOB} NOT NULL,
    mime TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    PRIMARY KEY (attachment_id, size)
);
CREATE INDEX attachment_part_digest ON attachment_part (digest);

-- Bytes that lost a reference, until somebody has looked whether it was the last.
CREATE TABLE released_blob (
    digest {BLOB} NOT NULL PRIMARY KEY
);

-- What came with a message, as JSON: attachments that were sent never change.
ALTER TABLE message ADD COLUMN attachments TEXT;

-- The picture somebody or a group is shown by.
ALTER TABLE account ADD COLUMN avatar_id {BLOB};
ALTER TABLE conversation ADD COLUMN avatar_id {BLOB};
