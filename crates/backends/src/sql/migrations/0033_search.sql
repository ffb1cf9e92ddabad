-- What messages are found by; see `search_index.rs`. Derived from the messages, so it is in no archive.
{MESSAGE_INDEX}

-- How far the index goes: messages up to this id are in it. Made anew when the words of texts become other ones.
CREATE TABLE search_state (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    words_version BIGINT NOT NULL,
    indexed_id BIGINT NOT NULL
);
INSERT INTO search_state (id, words_version, indexed_id) VALUES (1, 0, 0);
