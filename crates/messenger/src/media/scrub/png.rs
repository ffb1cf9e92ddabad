//! PNG: chunks up to the end of the image.

use super::{Malformed, Pieces, Reader};
use std::borrow::Cow;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Chunks that say how the image looks, animated or not.
const KEPT: &[&[u8; 4]] = &[
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP",
    b"mDCV", b"cLLI", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT",
];

pub(super) fn scrub(file: &[u8]) -> Result<Pieces<'_>, Malformed> {
    let mut reader = Reader::new(file);
    reader.expect(SIGNATURE)?;
    let mut kept: Pieces<'_> = vec![Cow::Borrowed(SIGNATURE)];
    loop {
        let begin = reader;
        let length = reader.u32()?;
        let kind: [u8; 4] = reader.array()?;
        reader.take(length as usize)?;
        reader.take(4)?;
        if KEPT.contains(&&kind) {
            kept.push(Cow::Borrowed(reader.since(begin)));
        }
        if &kind == b"IEND" {
            return Ok(kept);
        }
    }
}
