//! GIF: pictures, how they follow each other, and how often.

use super::{Malformed, Pieces, Reader};
use std::borrow::Cow;

pub(super) fn scrub(file: &[u8]) -> Result<Pieces<'_>, Malformed> {
    let mut reader = Reader::new(file);
    let begin = reader;
    let signature = reader.take(6)?;
    if signature != b"GIF87a" && signature != b"GIF89a" {
        return Err(Malformed);
    }
    let screen: [u8; 7] = reader.array()?;
    colours(&mut reader, screen[4])?;
    let mut kept: Pieces<'_> = vec![Cow::Borrowed(reader.since(begin))];
    let mut pictures = 0;
    // Some files just end.
    while let Ok(introducer) = reader.byte() {
        let begin = reader;
        let keep = match introducer {
            0x2C => {
                let picture: [u8; 9] = reader.array()?;
                colours(&mut reader, picture[8])?;
                reader.byte()?;
                blocks(&mut reader)?;
                pictures += 1;
                true
            }
            0x21 => extension(&mut reader)?,
            0x3B => break,
            _ => return Err(Malformed),
        };
        if keep {
            kept.push(Cow::Owned(vec![introducer]));
            kept.push(Cow::Borrowed(reader.since(begin)));
        }
    }
    if pictures == 0 {
        return Err(Malformed);
    }
    kept.push(Cow::Borrowed(&[0x3B]));
    Ok(kept)
}

/// Skips a table of colours, if there is one.
fn colours(reader: &mut Reader<'_>, flags: u8) -> Result<(), Malformed> {
    if flags & 0x80 != 0 {
        reader.take(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

/// Skips blocks, each with its length before it, up to the empty one.
fn blocks(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    loop {
        match reader.byte()? {
            0 => return Ok(()),
            length => reader.take(usize::from(length))?,
        };
    }
}

/// Skips an extension, and tells whether it says how the picture looks.
fn extension(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let label = reader.byte()?;
    let first = reader.rest;
    blocks(reader)?;
    Ok(match label {
        0xF9 => true,
        // Of what applications add, only how often to repeat.
        0xFF => matches!(first.get(1..12), Some(b"NETSCAPE2.0" | b"ANIMEXTS1.0")),
        _ => false,
    })
}
