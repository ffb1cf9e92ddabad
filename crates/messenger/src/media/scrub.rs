//! Takes out of an image file all that is not the image: places, cameras, names, comments, earlier versions. Pixels
//! stay as they are. What is kept is listed; what is not on a list goes, and so does whatever follows the image's
//! end: phones append second pictures and films there, with places of their own.

mod bmff;
mod gif;
mod jpeg;
mod png;
mod webp;

use super::Picture;
use std::borrow::Cow;

/// The file is not built as its kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is not built as its kind is")]
pub(crate) struct Malformed;

/// What is left of the file, in pieces.
pub(crate) type Pieces<'a> = Vec<Cow<'a, [u8]>>;

/// The file without what is not the image.
pub(crate) fn scrub(kind: Picture, file: &[u8]) -> Result<Pieces<'_>, Malformed> {
    match kind {
        Picture::Jpeg => jpeg::scrub(file),
        Picture::Png => png::scrub(file),
        Picture::Gif => gif::scrub(file),
        Picture::Webp => webp::scrub(file),
        Picture::Avif => bmff::scrub(file).map(|file| vec![Cow::Owned(file)]),
    }
}

/// Width and height of an AVIF, which we do not decode.
pub(crate) fn avif_dimensions(file: &[u8]) -> Result<(u32, u32), Malformed> {
    bmff::dimensions(file)
}

/// Reads a file from its front.
#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(file: &'a [u8]) -> Self {
        Self { rest: file }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<(), Malformed> {
        (self.take(wanted.len())? == wanted)
            .then_some(())
            .ok_or(Malformed)
    }

    /// The part of `whole` from where `earlier` was up to here.
    fn since(&self, earlier: Reader<'a>) -> &'a [u8] {
        &earlier.rest[..earlier.rest.len() - self.rest.len()]
    }
}
