//! Rules for text from outside: normal form, characters that are taken out, what counts as empty.
