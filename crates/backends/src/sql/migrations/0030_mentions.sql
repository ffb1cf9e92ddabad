-- The unread messages that name one user, or everybody.
CREATE INDEX mention_user ON mention (conversation_id, user_id, seq);
-- Who does not see a message.
CREATE INDEX hidden_message_place ON hidden_message (conversation_id, seq);
-- How far a direct conversation had reached the owner when it blocked the other, who sees no more than that.
ALTER TABLE block ADD COLUMN delivered_seq BIGINT;
ALTER TABLE block ADD COLUMN seen_seq BIGINT;
