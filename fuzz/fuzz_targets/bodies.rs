//! Runs the check of `crates/protocol/tests/fuzz/bodies.rs`, which says what it looks for.
#![no_main]

#[path = "../../crates/protocol/tests/fuzz/bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::check(input));
