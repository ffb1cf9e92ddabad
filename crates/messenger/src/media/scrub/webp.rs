//! WebP: chunks of a RIFF file.

use super::{Malformed, Pieces, Reader};
use std::borrow::Cow;

/// Flags of the extended header that announce Exif and XMP.
const METADATA_FLAGS: u8 = 0x08 | 0x04;

pub(super) fn scrub(file: &[u8]) -> Result<Pieces<'_>, Malformed> {
    let mut reader = Reader::new(file);
    reader.expect(b"RIFF")?;
    let size = u32::from_le_bytes(reader.array()?) as usize;
    reader.expect(b"WEBP")?;
    // What lies beyond the announced size is no part of the image.
    let announced = size.checked_sub(4).ok_or(Malformed)?;
    let mut chunks = Reader::new(&reader.rest[..announced.min(reader.rest.len())]);
    let mut kept: Pieces<'_> = Vec::new();
    let mut pictures = 0;
    while !chunks.rest.is_empty() {
        let (kind, body) = chunk(&mut chunks)?;
        match kind {
            b"VP8X" => {
                let mut body = body.to_vec();
                *body.first_mut().ok_or(Malformed)? &= !METADATA_FLAGS;
                push(&mut kept, kind, body.into());
            }
            b"ANMF" => {
                push(&mut kept, kind, frame(body)?.into());
                pictures += 1;
            }
            b"VP8 " | b"VP8L" => {
                push(&mut kept, kind, body.into());
                pictures += 1;
            }
            b"ALPH" | b"ANIM" | b"ICCP" => push(&mut kept, kind, body.into()),
            _ => {}
        }
    }
    if pictures == 0 {
        return Err(Malformed);
    }
    let length: usize = kept.iter().map(|piece| piece.len()).sum();
    let mut header = b"RIFF".to_vec();
    header.extend(u32::try_from(length + 4).map_err(|_| Malformed)?.to_le_bytes());
    header.extend(b"WEBP");
    kept.insert(0, header.into());
    Ok(kept)
}

/// A frame of an animation holds chunks again.
fn frame(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(body);
    let mut kept: Pieces<'_> = vec![reader.take(16)?.into()];
    while !reader.rest.is_empty() {
        let (kind, body) = chunk(&mut reader)?;
        if [b"ALPH", b"VP8 ", b"VP8L"].contains(&kind) {
            push(&mut kept, kind, body.into());
        }
    }
    Ok(kept.concat())
}

fn chunk<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8; 4], &'a [u8]), Malformed> {
    let kind = reader.take(4)?.first_chunk().ok_or(Malformed)?;
    let length = u32::from_le_bytes(reader.array()?) as usize;
    let body = reader.take(length)?;
    // The last padding byte is missing in some files.
    let padding = (length % 2).min(reader.rest.len());
    reader.take(padding)?;
    Ok((kind, body))
}

fn push<'a>(kept: &mut Pieces<'a>, kind: &[u8; 4], body: Cow<'a, [u8]>) {
    let mut header = kind.to_vec();
    header.extend((body.len() as u32).to_le_bytes());
    let odd = body.len() % 2 == 1;
    kept.push(header.into());
    kept.push(body);
    if odd {
        kept.push(Cow::Borrowed(&[0]));
    }
}
