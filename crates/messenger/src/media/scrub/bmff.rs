//! AVIF: boxes of ISO 14496-12, and items in them (ISO 23008-12). Offsets in the file point to its other parts, so
//! nothing is moved: what goes is overwritten with zeros where it lies.

use super::{Malformed, Reader};
use std::ops::Range;

/// Boxes within boxes, at most.
const DEPTH_MAX: usize = 8;

/// Things beside the images, at most. Real files have two.
const METADATA_MAX: usize = 64;

/// A box: its kind and where its content lies.
struct Part {
    kind: [u8; 4],
    /// Where the four letters of its kind are.
    name: usize,
    content: Range<usize>,
}

pub(super) fn scrub(file: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut scrubbed = file.to_vec();
    let mut images = 0;
    for part in parts(file, 0..file.len())? {
        match &part.kind {
            b"ftyp" | b"mdat" | b"free" | b"skip" => {}
            b"meta" => {
                images += 1;
                for range in metadata_items(file, &part)? {
                    scrubbed[range].fill(0);
                }
            }
            b"moov" => clear_movie(file, &part, &mut scrubbed, 0)?,
            _ => clear(&part, &mut scrubbed),
        }
    }
    if images == 0 {
        return Err(Malformed);
    }
    Ok(scrubbed)
}

/// The largest of the images' sizes: the others are parts of it, or its transparency.
pub(super) fn dimensions(file: &[u8]) -> Result<(u32, u32), Malformed> {
    let meta = find(parts(file, 0..file.len())?, b"meta")?;
    let inside = parts(file, after_version(&meta)?)?;
    let properties = find(inside, b"iprp")?;
    let container = find(parts(file, properties.content)?, b"ipco")?;
    let mut largest = (0u32, 0u32);
    let mut turned = false;
    for property in parts(file, container.content)? {
        let mut reader = Reader::new(&file[property.content]);
        match &property.kind {
            b"ispe" => {
                reader.u32()?;
                let size = (reader.u32()?, reader.u32()?);
                let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
                if area(size) > area(largest) {
                    largest = size;
                }
            }
            b"irot" => turned = reader.byte()? % 2 == 1,
            _ => {}
        }
    }
    match largest {
        (0, _) | (_, 0) => Err(Malformed),
        (width, height) if turned => Ok((height, width)),
        size => Ok(size),
    }
}

/// The boxes that lie in a range, one after the other.
fn parts(file: &[u8], within: Range<usize>) -> Result<Vec<Part>, Malformed> {
    let mut found = Vec::new();
    let mut at = within.start;
    while at < within.end {
        let mut reader = Reader::new(file.get(at..within.end).ok_or(Malformed)?);
        let short = reader.u32()?;
        let kind = reader.array()?;
        let (head, length) = match short {
            0 => (8, within.end - at),
            1 => {
                let long = u64::from_be_bytes(reader.array()?);
                (16, usize::try_from(long).map_err(|_| Malformed)?)
            }
            length => (8, length as usize),
        };
        let end = at
            .checked_add(length)
            .filter(|&end| end <= within.end)
            .ok_or(Malformed)?;
        if length < head {
            return Err(Malformed);
        }
        found.push(Part {
            kind,
            name: at + 4,
            content: at + head..end,
        });
        at = end;
    }
    Ok(found)
}

fn find(parts: Vec<Part>, kind: &[u8; 4]) -> Result<Part, Malformed> {
    parts.into_iter().find(|part| &part.kind == kind).ok_or(Malformed)
}

/// The content of a box that begins with a version and flags, without them.
fn after_version(part: &Part) -> Result<Range<usize>, Malformed> {
    let start = part.content.start + 4;
    (start <= part.content.end)
        .then_some(start..part.content.end)
        .ok_or(Malformed)
}

/// Makes of a box a free one.
fn clear(part: &Part, scrubbed: &mut [u8]) {
    scrubbed[part.name..part.name + 4].copy_from_slice(b"free");
    scrubbed[part.content.clone()].fill(0);
}

/// Clears what a film of pictures tells beside itself.
fn clear_movie(file: &[u8], part: &Part, scrubbed: &mut [u8], depth: usize) -> Result<(), Malformed> {
    if depth > DEPTH_MAX {
        return Err(Malformed);
    }
    for inner in parts(file, part.content.clone())? {
        match &inner.kind {
            b"udta" | b"meta" | b"uuid" => clear(&inner, scrubbed),
            b"trak" | b"mdia" | b"minf" => clear_movie(file, &inner, scrubbed, depth + 1)?,
            _ => {}
        }
    }
    Ok(())
}

/// Where the contents of items lie that are not images.
fn metadata_items(file: &[u8], meta: &Part) -> Result<Vec<Range<usize>>, Malformed> {
    let inside = parts(file, after_version(meta)?)?;
    let mut unwanted = Vec::new();
    let mut data = None;
    let mut locations = None;
    for part in inside {
        match &part.kind {
            b"iinf" => unwanted = unwanted_ids(file, &part)?,
            b"iloc" => locations = Some(part),
            b"idat" => data = Some(part.content),
            _ => {}
        }
    }
    match locations {
        Some(part) if !unwanted.is_empty() => located(file, &part, &unwanted, data.as_ref()),
        _ if unwanted.is_empty() => Ok(Vec::new()),
        _ => Err(Malformed),
    }
}

fn unwanted_ids(file: &[u8], part: &Part) -> Result<Vec<u32>, Malformed> {
    let content = &file[part.content.clone()];
    let counted = if *content.first().ok_or(Malformed)? == 0 {
        6
    } else {
        8
    };
    let first = part.content.start + counted;
    if first > part.content.end {
        return Err(Malformed);
    }
    let mut ids = Vec::new();
    for entry in parts(file, first..part.content.end)? {
        let mut reader = Reader::new(&file[entry.content]);
        let version = reader.byte()?;
        reader.take(3)?;
        let id = match version {
            2 => u32::from(reader.u16()?),
            3 => reader.u32()?,
            _ => return Err(Malformed),
        };
        reader.u16()?;
        let kind: [u8; 4] = reader.array()?;
        if [b"Exif", b"mime", b"uri "].contains(&&kind) {
            ids.push(id);
        }
        if ids.len() > METADATA_MAX {
            return Err(Malformed);
        }
    }
    Ok(ids)
}

/// Reads the table of where items lie.
fn located(
    file: &[u8],
    part: &Part,
    wanted: &[u32],
    data: Option<&Range<usize>>,
) -> Result<Vec<Range<usize>>, Malformed> {
    let mut reader = Reader::new(&file[part.content.clone()]);
    let version = reader.byte()?;
    reader.take(3)?;
    let sizes = reader.u16()?;
    let size = |shift: u16| usize::from(sizes >> shift & 0xF);
    let (offset_size, length_size, base_size, index_size) = (size(12), size(8), size(4), size(0));
    let count = match version {
        0 | 1 => u32::from(reader.u16()?),
        2 => reader.u32()?,
        _ => return Err(Malformed),
    };
    let mut ranges = Vec::new();
    for _ in 0..count {
        let id = if version < 2 {
            u32::from(reader.u16()?)
        } else {
            reader.u32()?
        };
        let method = if version == 0 { 0 } else { reader.u16()? & 0xF };
        reader.u16()?;
        let base = number(&mut reader, base_size)?;
        let extents = reader.u16()?;
        if extents > 1 && offset_size + length_size == 0 {
            return Err(Malformed);
        }
        for _ in 0..extents {
            if version > 0 {
                number(&mut reader, index_size)?;
            }
            let offset = number(&mut reader, offset_size)?;
            let length = number(&mut reader, length_size)?;
            if !wanted.contains(&id) {
                continue;
            }
            let within = match method {
                0 => 0..file.len(),
                1 => data.cloned().ok_or(Malformed)?,
                _ => return Err(Malformed),
            };
            let start = within
                .start
                .checked_add(base)
                .and_then(|at| at.checked_add(offset));
            let start = start.filter(|&start| start <= within.end).ok_or(Malformed)?;
            let end = if length == 0 {
                Some(within.end)
            } else {
                start.checked_add(length)
            };
            ranges.push(start..end.filter(|&end| end <= within.end).ok_or(Malformed)?);
            if ranges.len() > METADATA_MAX {
                return Err(Malformed);
            }
        }
    }
    Ok(ranges)
}

fn number(reader: &mut Reader<'_>, size: usize) -> Result<usize, Malformed> {
    match size {
        0 => Ok(0),
        4 => reader.u32().map(|n| n as usize),
        8 => usize::try_from(u64::from_be_bytes(reader.array()?)).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}
