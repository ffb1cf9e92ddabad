//! Runs the check of `crates/protocol/tests/fuzz/requests.rs`, which says what it looks for.
#![no_main]

#[path = "../../crates/protocol/tests/fuzz/requests.rs"]
mod requests;

libfuzzer_sys::fuzz_target!(|input: &[u8]| requests::check(input));
