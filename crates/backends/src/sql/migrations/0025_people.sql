-- What people tell of themselves, whom they know, and whom they do not want to hear of.

ALTER TABLE account ADD COLUMN bio TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN timezone TEXT NOT NULL DEFAULT 'UTC';
-- An object of JSON that belongs to the user's own clients.
ALTER TABLE account ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
-- Privacy: 0 everyone, 1 contacts, 2 nobody.
ALTER TABLE account ADD COLUMN last_seen_for BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN read_receipts BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE account ADD COLUMN typing BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE account ADD COLUMN who_can_dm BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN who_can_add_me BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN discoverable BOOLEAN NOT NULL DEFAULT TRUE;

-- Names that were given up and are kept from others for a while.
CREATE TABLE former_username (
    username TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    held_until BIGINT NOT NULL
);

CREATE TABLE contact (
    owner_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    alias TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, user_id)
){CLUSTERED};
CREATE INDEX contact_user ON contact (user_id);

CREATE TABLE block (
    owner_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, user_id)
){CLUSTERED};
CREATE INDEX block_user ON block (user_id);
