//! Looks at files: what they are, whatever they claim to be; what of them is kept; how large, how long, and how they
//! look when small. Works on threads that may block and reads nothing but the file it is given.

mod picture;
mod scrub;
mod sniff;
mod sound;
#[cfg(test)]
mod tests;

use crate::AttachmentKind;
use crate::blob::BlobError;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer sides of the small pictures, in pixels.
pub(crate) const THUMB_SIZES: [u32; 2] = [1_280, 320];

/// Bytes at the front of a file that tell what it is.
const FRONT_BYTES: u64 = 8 * 1024;

/// Numbers of a waveform, and the largest of them.
pub(crate) const WAVEFORM_COUNT: usize = 64;
const WAVEFORM_MAX: u8 = 31;

/// What a waveform is when nobody has measured it.
const WAVEFORM_FLAT: u8 = 8;

/// Kinds of images that are shown as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Picture {
    Jpeg,
    Png,
    Gif,
    Webp,
    Avif,
}

/// Bounds of what is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most pixels of an image.
    pub(crate) pixels_max: u64,
    /// Longest voice note.
    pub(crate) voice_ms_max: u64,
    /// Largest voice note.
    pub(crate) voice_bytes_max: u64,
    /// How long looking may take.
    pub(crate) time: Duration,
}

/// What the uploader says of a voice note.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VoiceNote {
    /// How long it is, as measured when it was recorded.
    pub duration_ms: Option<u64>,
    /// Peaks of 64 slices, 0 to 31.
    pub waveform: Option<Vec<u8>>,
}

impl VoiceNote {
    /// Whether the waveform is one.
    pub(crate) fn is_sound(&self) -> bool {
        let fits =
            |peaks: &Vec<u8>| peaks.len() == WAVEFORM_COUNT && peaks.iter().all(|&peak| peak <= WAVEFORM_MAX);
        self.waveform.as_ref().is_none_or(fits)
    }
}

/// What a file is.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) kind: AttachmentKind,
    pub(crate) mime: &'static str,
    pub(crate) dimensions: Option<(u32, u32)>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) waveform: Option<Vec<u8>>,
    pub(crate) placeholder: Option<Vec<u8>>,
    pub(crate) thumbs: Vec<Thumbnail>,
    /// The file was written anew.
    pub(crate) rewritten: bool,
}

/// A small picture.
#[derive(Debug)]
pub(crate) struct Thumbnail {
    /// Which of the sizes it is.
    pub(crate) size: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) mime: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Longer or larger than such a file may be.
    TooLarge,
    /// Not what it has to be.
    WrongType,
    /// More pixels than allowed.
    ImageTooLarge,
    /// No image can be made of it.
    ImageInvalid,
    /// The file could not be read or written.
    Failed(BlobError),
}

impl From<std::io::Error> for Unfit {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<scrub::Malformed> for Unfit {
    fn from(_: scrub::Malformed) -> Self {
        Self::ImageInvalid
    }
}

/// Looks at the file at `path`. An image is written to `cleaned` without anything but the image.
pub(crate) fn look(
    path: &Path,
    cleaned: &Path,
    voice: Option<&VoiceNote>,
    bounds: Bounds,
) -> Result<Looked, Unfit> {
    let deadline = Instant::now() + bounds.time;
    let mut front = Vec::new();
    File::open(path)?.take(FRONT_BYTES).read_to_end(&mut front)?;
    let sniffed = sniff::sniff(&front);
    if let Some(voice) = voice {
        return look_at_voice(path, sniffed, voice, bounds, deadline);
    }
    match sniffed {
        sniff::Sniffed::Image(picture) => look_at_image(path, cleaned, picture, bounds),
        sniff::Sniffed::Moving(mime) => Ok(look_at_sound(path, mime, deadline)),
        sniff::Sniffed::Other(mime) => Ok(plain(mime)),
    }
}

fn plain(mime: &'static str) -> Looked {
    Looked {
        kind: AttachmentKind::File,
        mime,
        dimensions: None,
        duration_ms: None,
        waveform: None,
        placeholder: None,
        thumbs: Vec::new(),
        rewritten: false,
    }
}

fn look_at_image(path: &Path, cleaned: &Path, kind: Picture, bounds: Bounds) -> Result<Looked, Unfit> {
    let file = std::fs::read(path)?;
    let drawn = picture::draw(kind, &file, bounds.pixels_max)?;
    let mut output = File::create(cleaned)?;
    let pieces = match drawn.upright {
        Some(upright) => vec![Cow::Owned(upright)],
        None => scrub::scrub(kind, &file)?,
    };
    for piece in pieces {
        output.write_all(&piece)?;
    }
    Ok(Looked {
        kind: AttachmentKind::Image,
        dimensions: Some(drawn.dimensions),
        placeholder: drawn.placeholder,
        thumbs: drawn.thumbs,
        rewritten: true,
        ..plain(kind.mime())
    })
}

/// A film or a sound, as it is. One that cannot be read is kept as a file.
fn look_at_sound(path: &Path, mime: &'static str, deadline: Instant) -> Looked {
    let Some(heard) = File::open(path)
        .ok()
        .and_then(|file| sound::listen(file, deadline))
    else {
        return plain(mime);
    };
    let kind = if heard.film {
        AttachmentKind::Video
    } else {
        AttachmentKind::Audio
    };
    Looked {
        kind,
        dimensions: heard.dimensions,
        duration_ms: heard.duration_ms,
        ..plain(sniff::moving_mime(mime, heard.film))
    }
}

fn look_at_voice(
    path: &Path,
    sniffed: sniff::Sniffed,
    voice: &VoiceNote,
    bounds: Bounds,
    deadline: Instant,
) -> Result<Looked, Unfit> {
    let sniff::Sniffed::Moving(mime) = sniffed else {
        return Err(Unfit::WrongType);
    };
    if std::fs::metadata(path)?.len() > bounds.voice_bytes_max {
        return Err(Unfit::TooLarge);
    }
    let heard = sound::listen(File::open(path)?, deadline).filter(|heard| !heard.film);
    let heard = heard.ok_or(Unfit::WrongType)?;
    let duration_ms = believed(voice.duration_ms, heard.duration_ms);
    if duration_ms.is_some_and(|duration| duration > bounds.voice_ms_max) {
        return Err(Unfit::TooLarge);
    }
    let waveform = voice.waveform.clone();
    Ok(Looked {
        kind: AttachmentKind::Voice,
        duration_ms,
        waveform: Some(waveform.unwrap_or_else(|| vec![WAVEFORM_FLAT; WAVEFORM_COUNT])),
        ..plain(sniff::moving_mime(mime, false))
    })
}

/// The recorder's measure, unless the file says otherwise by more than a tenth.
fn believed(said: Option<u64>, measured: Option<u64>) -> Option<u64> {
    match (said, measured) {
        (Some(said), Some(measured)) if said.abs_diff(measured) > measured / 10 => Some(measured),
        (None, measured) => measured,
        (said, _) => said,
    }
}

impl Picture {
    pub(crate) fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
        }
    }

    /// The one with this type.
    pub(crate) fn of(mime: &str) -> Option<Self> {
        let all = [Self::Jpeg, Self::Png, Self::Gif, Self::Webp, Self::Avif];
        all.into_iter().find(|picture| picture.mime() == mime)
    }
}
