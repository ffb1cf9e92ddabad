//! How long a sound or a film is, and how large its picture, as far as its container tells. Nothing is decoded.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Instant;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

/// What a container tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// There are moving pictures in it.
    pub(super) film: bool,
    pub(super) dimensions: Option<(u32, u32)>,
    pub(super) duration_ms: Option<u64>,
}

/// Reads the container; `None` when it is not understood in time.
pub(super) fn listen(file: File, deadline: Instant) -> Option<Heard> {
    let source = MediaSourceStream::new(Box::new(Timed { file, deadline }), Default::default());
    let probe = symphonia::default::get_probe();
    let (hint, formats, metadata) = (Hint::new(), FormatOptions::default(), MetadataOptions::default());
    let mut reader = probe.probe(&hint, source, formats, metadata).ok()?;
    let tracks = reader.tracks();
    // Tracks without known parameters may be anything; films have them where sizes are known.
    let video = |track: &Track| match &track.codec_params {
        Some(CodecParameters::Video(video)) => Some((video.width, video.height)),
        _ => None,
    };
    let film = tracks.iter().any(|track| video(track).is_some());
    let sound = tracks
        .iter()
        .any(|track| matches!(track.codec_params, Some(CodecParameters::Audio(_))));
    if !film && !sound {
        return None;
    }
    let sizes = tracks.iter().filter_map(video);
    let dimensions = sizes
        .filter_map(|(width, height)| Some((u32::from(width?), u32::from(height?))))
        .find(|&(width, height)| width > 0 && height > 0);
    let told = told_duration(&*reader).filter(|&duration| duration > 0);
    Some(Heard {
        film,
        dimensions,
        duration_ms: told.or_else(|| counted_duration(&mut *reader, deadline)),
    })
}

/// As the container says at its front.
fn told_duration(reader: &dyn FormatReader) -> Option<u64> {
    let info = reader.media_info();
    let whole = info
        .time_base
        .zip(info.duration)
        .and_then(|(base, length)| base.calc_duration(length));
    let tracks = reader.tracks().iter();
    let longest = tracks
        .filter_map(|track| track.time_base?.calc_duration(track.duration?))
        .max();
    whole
        .or(longest)
        .and_then(|time| u64::try_from(time.as_millis()).ok())
}

/// Recorders that write while they record do not know the length; the last packet does.
fn counted_duration(reader: &mut dyn FormatReader, deadline: Instant) -> Option<u64> {
    let bases: Vec<_> = reader
        .tracks()
        .iter()
        .map(|track| (track.id, track.time_base))
        .collect();
    let mut longest = 0;
    // What ends in the middle is as long as what is there.
    while let Ok(Some(packet)) = reader.next_packet() {
        if Instant::now() > deadline {
            return None;
        }
        let base = bases
            .iter()
            .find(|(id, _)| *id == packet.track_id)
            .and_then(|(_, base)| *base);
        let end = packet.pts.checked_add(packet.dur);
        let end = base.zip(end).and_then(|(base, end)| base.calc_time(end));
        longest = longest.max(end.map_or(0, |end| end.as_millis()));
    }
    u64::try_from(longest).ok().filter(|&longest| longest > 0)
}

/// A file that can be read until a moment.
struct Timed {
    file: File,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.file.read(buffer)
    }
}

impl Seek for Timed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl MediaSource for Timed {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        self.file.metadata().ok().map(|metadata| metadata.len())
    }
}
