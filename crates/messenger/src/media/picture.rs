//! Images: decoded once, within bounds, to be turned upright and made small.

use super::{Picture, THUMB_SIZES, Thumbnail, Unfit, scrub};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// Memory that decoding one image may take: 8 bytes for each of the most pixels, and something beside.
fn memory_max(pixels_max: u64) -> u64 {
    pixels_max * 8 + 64 * 1024 * 1024
}

/// Quality of small pictures, and of photographs that had to be turned.
const THUMB_QUALITY: u8 = 82;
const TURNED_QUALITY: u8 = 92;

/// Longer side of what the placeholder is made of.
const PLACEHOLDER_SIZE: u32 = 32;

/// Profiles larger than this are not for the screen, and would outweigh a small picture.
const PROFILE_BYTES_MAX: usize = 16 * 1024;

/// What came of an image.
pub(super) struct Drawn {
    pub(super) dimensions: (u32, u32),
    pub(super) placeholder: Option<Vec<u8>>,
    pub(super) thumbs: Vec<Thumbnail>,
    /// The whole file anew, when it had to be turned.
    pub(super) upright: Option<Vec<u8>>,
}

/// An image in memory, and what its colours mean.
struct Decoded {
    image: DynamicImage,
    profile: Option<Vec<u8>>,
    orientation: Orientation,
}

pub(super) fn draw(kind: Picture, file: &[u8], pixels_max: u64) -> Result<Drawn, Unfit> {
    let Some(format) = format(kind) else {
        let dimensions = scrub::avif_dimensions(file)?;
        within(dimensions, pixels_max)?;
        return Ok(Drawn {
            dimensions,
            placeholder: None,
            thumbs: Vec::new(),
            upright: None,
        });
    };
    let Decoded {
        mut image,
        profile,
        orientation,
    } = decode(file, format, pixels_max)?;
    let turned = orientation != Orientation::NoTransforms && !is_animated(kind, file);
    let mut upright = None;
    if turned {
        image.apply_orientation(orientation);
        upright = Some(encode_whole(&image, format, profile.clone())?);
    }
    let profile = profile.filter(|profile| profile.len() <= PROFILE_BYTES_MAX);
    let dimensions = (image.width(), image.height());
    let mut pixels = Pixels::of(image);
    let mut thumbs = Vec::new();
    for size in THUMB_SIZES {
        let side = dimensions.0.max(dimensions.1);
        // The smallest is always there; a larger one only where it shows more.
        if size > 320 && side <= 320 {
            continue;
        }
        pixels = pixels.fitting(size)?;
        thumbs.push(pixels.encode(size, profile.clone())?);
    }
    let tiny = pixels.fitting(PLACEHOLDER_SIZE)?;
    Ok(Drawn {
        dimensions,
        placeholder: Some(tiny.hash()),
        thumbs,
        upright,
    })
}

fn format(kind: Picture) -> Option<ImageFormat> {
    match kind {
        Picture::Jpeg => Some(ImageFormat::Jpeg),
        Picture::Png => Some(ImageFormat::Png),
        Picture::Gif => Some(ImageFormat::Gif),
        Picture::Webp => Some(ImageFormat::WebP),
        Picture::Avif => None,
    }
}

fn within((width, height): (u32, u32), pixels_max: u64) -> Result<(), Unfit> {
    match u64::from(width) * u64::from(height) {
        0 => Err(Unfit::ImageInvalid),
        pixels if pixels > pixels_max => Err(Unfit::ImageTooLarge),
        _ => Ok(()),
    }
}

/// The first picture of the file. Its size is looked at before any of it is decoded.
fn decode(file: &[u8], format: ImageFormat, pixels_max: u64) -> Result<Decoded, Unfit> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(memory_max(pixels_max));
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(invalid)?;
    within(decoder.dimensions(), pixels_max)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // Decoding turns other kinds of colours into red, green and blue, for which their profile is none.
    let profile = decoder.icc_profile().ok().flatten();
    let profile = profile.filter(|profile| profile.get(16..20) == Some(b"RGB "));
    let image = DynamicImage::from_decoder(decoder).map_err(invalid)?;
    Ok(Decoded {
        image,
        profile,
        orientation,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
fn invalid(error: image::ImageError) -> Unfit {
    match error {
        image::ImageError::Limits(_) => Unfit::ImageTooLarge,
        _ => Unfit::ImageInvalid,
    }
}

/// Moving images are not written anew.
fn is_animated(kind: Picture, file: &[u8]) -> bool {
    let has = |name: &[u8]| file.windows(name.len()).take(4_096).any(|window| window == name);
    match kind {
        Picture::Png => has(b"acTL"),
        Picture::Webp => has(b"ANIM"),
        Picture::Gif => true,
        Picture::Jpeg | Picture::Avif => false,
    }
}

fn encode_whole(
    image: &DynamicImage,
    format: ImageFormat,
    profile: Option<Vec<u8>>,
) -> Result<Vec<u8>, Unfit> {
    let mut file = Vec::new();
    let written = match format {
        ImageFormat::Jpeg => {
            let mut encoder = JpegEncoder::new_with_quality(&mut file, TURNED_QUALITY);
            set_profile(&mut encoder, profile);
            image.write_with_encoder(encoder)
        }
        ImageFormat::Png => {
            let mut encoder = PngEncoder::new(&mut file);
            set_profile(&mut encoder, profile);
            image.write_with_encoder(encoder)
        }
        _ => {
            let mut encoder = WebPEncoder::new_lossless(&mut file);
            set_profile(&mut encoder, profile);
            image.write_with_encoder(encoder)
        }
    };
    written.map_err(invalid)?;
    Ok(file)
}

fn set_profile(encoder: &mut impl ImageEncoder, profile: Option<Vec<u8>>) {
    if let Some(profile) = profile {
        // A kind of file without profiles shows colours as it can.
        let _ = encoder.set_icc_profile(profile);
    }
}

/// Pixels of one byte for each colour, with transparency only where something is transparent.
struct Pixels {
    width: u32,
    height: u32,
    transparent: bool,
    bytes: Vec<u8>,
}

impl Pixels {
    fn of(image: DynamicImage) -> Self {
        let (width, height) = (image.width(), image.height());
        if image.color().has_alpha() {
            let image = image.into_rgba8();
            if image.pixels().any(|pixel| pixel.0[3] < 255) {
                return Self {
                    width,
                    height,
                    transparent: true,
                    bytes: image.into_raw(),
                };
            }
            let opaque = DynamicImage::ImageRgba8(image).into_rgb8();
            return Self {
                width,
                height,
                transparent: false,
                bytes: opaque.into_raw(),
            };
        }
        Self {
            width,
            height,
            transparent: false,
            bytes: image.into_rgb8().into_raw(),
        }
    }

    /// No side longer than `size`; what is smaller stays.
    fn fitting(self, size: u32) -> Result<Self, Unfit> {
        let side = self.width.max(self.height);
        if side <= size {
            return Ok(self);
        }
        let scaled = |length: u32| {
            let length = (u64::from(length) * u64::from(size) + u64::from(side) / 2) / u64::from(side);
            (length as u32).max(1)
        };
        let (width, height) = (scaled(self.width), scaled(self.height));
        let pixel = if self.transparent {
            PixelType::U8x4
        } else {
            PixelType::U8x3
        };
        let source = ImageRef::new(self.width, self.height, &self.bytes, pixel);
        let source = source.map_err(|_| Unfit::ImageInvalid)?;
        let mut target = Image::new(width, height, pixel);
        let resized = Resizer::new().resize(&source, &mut target, &ResizeOptions::new());
        resized.map_err(|_| Unfit::ImageInvalid)?;
        Ok(Self {
            width,
            height,
            transparent: self.transparent,
            bytes: target.into_vec(),
        })
    }

    /// As JPEG, or without loss where something is transparent.
    fn encode(&self, size: u32, profile: Option<Vec<u8>>) -> Result<Thumbnail, Unfit> {
        let mut bytes = Vec::new();
        let (written, mime) = if self.transparent {
            let mut encoder = WebPEncoder::new_lossless(&mut bytes);
            set_profile(&mut encoder, profile);
            let kind = ExtendedColorType::Rgba8;
            (
                encoder.write_image(&self.bytes, self.width, self.height, kind),
                "image/webp",
            )
        } else {
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, THUMB_QUALITY);
            set_profile(&mut encoder, profile);
            let kind = ExtendedColorType::Rgb8;
            (
                encoder.write_image(&self.bytes, self.width, self.height, kind),
                "image/jpeg",
            )
        };
        written.map_err(invalid)?;
        Ok(Thumbnail {
            size,
            width: self.width,
            height: self.height,
            mime,
            bytes,
        })
    }

    /// A ThumbHash of pixels that are few enough.
    fn hash(&self) -> Vec<u8> {
        let opaque = |pixel: &[u8]| [pixel[0], pixel[1], pixel[2], 255];
        let rgba = if self.transparent {
            self.bytes.clone()
        } else {
            self.bytes.chunks_exact(3).flat_map(opaque).collect()
        };
        thumbhash::rgba_to_thumb_hash(self.width as usize, self.height as usize, &rgba)
    }
}
