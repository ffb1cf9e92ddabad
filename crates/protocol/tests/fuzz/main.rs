//! A short run of what `fuzz/` runs for hours: the same checks over its seeds and over copies of them that are cut,
//! joined and spoilt at random, from a fixed beginning, so that a failure comes again.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod bodies;
mod frames;
mod requests;

use std::fs;
use std::path::Path;

/// Spoilt copies of each seed.
const COPIES: usize = 300;

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Numbers that look random and are the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        const TELLING: &[u8] = b"\"\\{}[]:,\n\0 &=%$#\xff0";
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                3 if at < bytes.len() => drop(bytes.remove(at)),
                _ => {
                    let from = self.below(other.len() + 1);
                    let to = from + self.below(other.len() - from + 1);
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
    }
}

fn run(folder: &str, check: fn(&[u8])) {
    let seeds = seeds(folder);
    let mut dice = Dice(0x5eed_0fc4);
    for (index, seed) in seeds.iter().enumerate() {
        check(seed);
        for _ in 0..COPIES {
            let mut bytes = seed.clone();
            dice.spoil(&mut bytes, &seeds[(index + 1) % seeds.len()]);
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let checked = std::panic::catch_unwind(|| check(&bytes));
            assert!(checked.is_ok(), "this input failed: {shown}");
        }
    }
}

#[test]
fn no_frame_breaks_a_connection_or_gets_around_a_signature() {
    run("transcripts/pusher", frames::check);
}

#[test]
fn what_is_signed_passes_and_nothing_else() {
    run("../../fuzz/seeds/requests", requests::check);
}

#[test]
fn every_body_is_taken_within_the_limits_or_refused() {
    run("../../fuzz/seeds/bodies", bodies::check);
}
