-- A move of a watermark spans the messages after the one and up to the other.
ALTER TABLE receipt_advance ADD COLUMN from_seq BIGINT NOT NULL DEFAULT 0;
