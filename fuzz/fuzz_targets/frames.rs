//! Runs the check of `crates/protocol/tests/fuzz/frames.rs`, which says what it looks for.
#![no_main]

#[path = "../../crates/protocol/tests/fuzz/frames.rs"]
mod frames;

libfuzzer_sys::fuzz_target!(|input: &[u8]| frames::check(input));
