//! What a file is by its first bytes. Types that a browser might run, or that nobody needs, are plain bytes.

use super::Picture;

/// What a file seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sniffed {
    Image(Picture),
    /// Film or sound.
    Moving(&'static str),
    /// Only to be downloaded.
    Other(&'static str),
}

/// When nothing better is known.
const BYTES: &str = "application/octet-stream";

/// Films and sounds that are played where they are, and the type that each is shown under.
const MOVING: &[(&str, &str)] = &[
    ("video/mp4", "video/mp4"),
    ("video/x-m4v", "video/mp4"),
    ("video/quicktime", "video/quicktime"),
    ("video/webm", "video/webm"),
    ("video/x-matroska", "video/webm"),
    ("audio/m4a", "audio/mp4"),
    ("audio/mpeg", "audio/mpeg"),
    ("audio/ogg", "audio/ogg"),
    ("audio/opus", "audio/ogg"),
    ("video/ogg", "audio/ogg"),
    ("application/ogg", "audio/ogg"),
    ("audio/x-flac", "audio/flac"),
    ("audio/x-wav", "audio/wav"),
];

/// Types that are harmless to name for what is downloaded.
const NAMED: &[&str] = &[
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/x-7z-compressed",
    "application/x-tar",
    "application/epub+zip",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
    "image/heif",
    "image/tiff",
    "image/bmp",
];

pub(super) fn sniff(front: &[u8]) -> Sniffed {
    let Some(found) = infer::get(front) else {
        return Sniffed::Other(BYTES);
    };
    let mime = found.mime_type();
    if let Some(picture) = Picture::of(mime) {
        return Sniffed::Image(picture);
    }
    if let Some((_, shown)) = MOVING.iter().find(|(known, _)| *known == mime) {
        return Sniffed::Moving(shown);
    }
    Sniffed::Other(
        NAMED
            .iter()
            .find(|known| **known == mime)
            .copied()
            .unwrap_or(BYTES),
    )
}

/// The same containers hold films and sounds.
pub(super) fn moving_mime(mime: &'static str, film: bool) -> &'static str {
    match (mime, film) {
        ("video/mp4" | "video/quicktime", false) => "audio/mp4",
        ("audio/mp4", true) => "video/mp4",
        ("video/webm", false) => "audio/webm",
        ("audio/ogg", true) => "video/ogg",
        (mime, _) => mime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_their_bytes_say() {
        let check = |front: &[u8], expected: Sniffed| assert_eq!(sniff(front), expected, "{front:?}");
        check(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Sniffed::Image(Picture::Png));
        check(b"\xff\xd8\xff\xe0\0\x10JFIF\0", Sniffed::Image(Picture::Jpeg));
        check(b"GIF89a\x01\0\x01\0", Sniffed::Image(Picture::Gif));
        check(b"RIFF\x10\0\0\0WEBPVP8 ", Sniffed::Image(Picture::Webp));
        check(
            b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
            Sniffed::Image(Picture::Avif),
        );
        check(
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            Sniffed::Other("image/heif"),
        );
        check(b"%PDF-1.7\n", Sniffed::Other("application/pdf"));
        for harmful in [
            &b"<html><script>alert(1)</script>"[..],
            b"<!DOCTYPE html><body>",
            b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>",
            b"MZ\x90\0",
            b"#!/bin/sh\n",
            b"just words",
            b"",
        ] {
            check(harmful, Sniffed::Other(BYTES));
        }
    }
}
