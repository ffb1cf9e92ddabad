-- The number of the change that brought a message. `rev` differs from it as soon as anything happens to the message.
ALTER TABLE message ADD COLUMN first_rev BIGINT NOT NULL DEFAULT 0;

-- Most messages never change, and those stand in the order of their revs; only the others are looked for by theirs.
-- Whatever was stored before this step counts as changed.
DROP INDEX message_rev;
CREATE INDEX message_changed ON message (conversation_id, rev) WHERE rev <> first_rev;
