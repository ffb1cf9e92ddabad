//! JPEG: segments up to the end of the image.

use super::{Malformed, Pieces, Reader};
use std::borrow::Cow;

const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;

pub(super) fn scrub(file: &[u8]) -> Result<Pieces<'_>, Malformed> {
    let mut reader = Reader::new(file);
    reader.expect(&[0xFF, 0xD8])?;
    let mut kept: Pieces<'_> = vec![Cow::Borrowed(&[0xFF, 0xD8])];
    let mut scans = 0;
    while let Some(marker) = next_marker(&mut reader) {
        match marker {
            EOI => break,
            // Without a body: temporary, restarts, a second start.
            0x01 | 0xD0..=0xD8 => continue,
            _ => {}
        }
        let begin = reader;
        let length = usize::from(reader.u16()?);
        let body = reader.take(length.checked_sub(2).ok_or(Malformed)?)?;
        let segment = reader.since(begin);
        if !is_image(marker, body) {
            continue;
        }
        kept.push(Cow::Owned(vec![0xFF, marker]));
        kept.push(Cow::Borrowed(segment));
        if marker == SOS {
            scans += 1;
            kept.push(Cow::Borrowed(entropy(&mut reader)));
        }
    }
    if scans == 0 {
        return Err(Malformed);
    }
    kept.push(Cow::Borrowed(&[0xFF, EOI]));
    Ok(kept)
}

/// The next marker, past anything between.
fn next_marker(reader: &mut Reader<'_>) -> Option<u8> {
    loop {
        while reader.byte().ok()? != 0xFF {}
        let marker = loop {
            match reader.byte().ok()? {
                0xFF => {}
                marker => break marker,
            }
        };
        if marker != 0 {
            return Some(marker);
        }
    }
}

/// Whether the segment says how the image looks.
fn is_image(marker: u8, body: &[u8]) -> bool {
    match marker {
        // The header of JFIF, unless there is a small picture in it.
        0xE0 => body.starts_with(b"JFIF\0") && body.len() == 14,
        // A colour profile.
        0xE2 => body.starts_with(b"ICC_PROFILE\0"),
        // How colours are coded.
        0xEE => body.starts_with(b"Adobe") && body.len() == 12,
        // Frames, tables, scans, restart intervals.
        0xC0..=0xCF | 0xDA..=0xDF => true,
        _ => false,
    }
}

/// The bytes of a scan: up to the next marker that is not part of it.
fn entropy<'a>(reader: &mut Reader<'a>) -> &'a [u8] {
    let bytes = reader.rest;
    let mut at = 0;
    let end = loop {
        let Some(found) = bytes[at..].iter().position(|&byte| byte == 0xFF) else {
            break bytes.len();
        };
        at += found;
        match bytes.get(at + 1) {
            Some(0x00 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            Some(_) => break at,
            None => break bytes.len() - 1,
        }
    };
    reader.rest = &bytes[end..];
    &bytes[..end]
}
