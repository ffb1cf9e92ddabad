-- Somebody's words were kept from the member up to this message, and this is when there had last been something for it.
ALTER TABLE member ADD COLUMN held_seq BIGINT;
ALTER TABLE member ADD COLUMN held_activity_at BIGINT;
