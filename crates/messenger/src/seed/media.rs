//! Pictures and voice notes for made-up conversations: a few of each, drawn and hummed, that are sent again and again.

use super::{Dice, refused};
use crate::media::{Looked, VoiceNote, WAVEFORM_COUNT};
use crate::store::{NewAttachment, NewPart, StoreError};
use crate::{AttachmentId, AttachmentState, Messenger, Timestamp, UploadError, UserId};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use std::f32::consts::TAU;

/// Samples a second of a voice note, of one byte each.
const NOTE_HZ: u32 = 8_000;

/// Of a hundred messages so many bring pictures, and so many are spoken.
const PICTURES_PERCENT: usize = 7;
const NOTES_PERCENT: usize = 2;

/// Most pictures of one message.
const ALBUM_MAX: usize = 4;

/// Something that was brought once.
struct Sample {
    name: String,
    looked: Looked,
    parts: Vec<NewPart>,
}

/// What there is to send.
pub(super) struct Samples {
    pictures: Vec<Sample>,
    notes: Vec<Sample>,
    /// Names of attachments: others for each store that is added to.
    ids: Dice,
}

impl Samples {
    /// Makes them, and keeps their bytes; none where there is no place for files.
    pub(super) async fn make(messenger: &Messenger, messages: usize, ids: Dice) -> Result<Self, StoreError> {
        let mut samples = Self {
            pictures: Vec::new(),
            notes: Vec::new(),
            ids,
        };
        if messenger.files().is_err() {
            return Ok(samples);
        }
        // Their looks depend on nothing, so that stores of all seeds share them.
        let mut dice = Dice(1);
        let count = (messages / 200).clamp(4, 24);
        for number in 0..count {
            let drawn = picture(&mut dice).ok_or_else(|| refused("to draw"))?;
            let name = format!("IMG_{}.jpg", 2_001 + number);
            samples.pictures.push(take(messenger, name, drawn, None).await?);
        }
        for number in 0..count.div_ceil(2) {
            let (hummed, voice) = note(&mut dice);
            let name = format!("voice-{}.wav", number + 1);
            samples
                .notes
                .push(take(messenger, name, hummed, Some(voice)).await?);
        }
        Ok(samples)
    }

    /// What a message brings: mostly nothing. Whether it is spoken comes with it.
    pub(super) fn some(
        &mut self,
        dice: &mut Dice,
        author: UserId,
        at: Timestamp,
    ) -> (Vec<NewAttachment>, bool) {
        let place = dice.below(100);
        let spoken = place < NOTES_PERCENT;
        let (samples, count) = match place {
            _ if self.pictures.is_empty() || place >= NOTES_PERCENT + PICTURES_PERCENT => {
                return (Vec::new(), false);
            }
            _ if spoken => (&self.notes, 1),
            _ if dice.percent(20) => (&self.pictures, 2 + dice.below(ALBUM_MAX - 1)),
            _ => (&self.pictures, 1),
        };
        let first = dice.below(samples.len());
        let chosen = (first..first + count).map(|number| &samples[number % samples.len()]);
        let ids = &mut self.ids;
        let brought = chosen.map(|sample| {
            let key = u128::from(ids.roll()) << 64 | u128::from(ids.roll());
            let id = uuid::Builder::from_random_bytes(key.to_be_bytes()).into_uuid();
            sample.brought(AttachmentId(id), author, at)
        });
        (brought.collect(), spoken)
    }
}

impl Sample {
    fn brought(&self, id: AttachmentId, uploader: UserId, at: Timestamp) -> NewAttachment {
        let looked = &self.looked;
        NewAttachment {
            id,
            uploader,
            kind: looked.kind,
            name: self.name.clone(),
            mime: looked.mime.to_owned(),
            size: self.parts[0].bytes,
            dimensions: looked.dimensions,
            duration_ms: looked.duration_ms,
            waveform: looked.waveform.clone(),
            placeholder: looked.placeholder.clone(),
            parts: self.parts.clone(),
            state: AttachmentState::Ready,
            at,
        }
    }
}

async fn take(
    messenger: &Messenger,
    name: String,
    content: Vec<u8>,
    voice: Option<VoiceNote>,
) -> Result<Sample, StoreError> {
    let taken = messenger.take_in(content, voice).await;
    let (looked, parts) = taken.map_err(|error| match error {
        UploadError::Store(error) => error,
        _ => refused("a file"),
    })?;
    Ok(Sample { name, looked, parts })
}

/// Hills under a sky with a sun, in JPEG.
fn picture(dice: &mut Dice) -> Option<Vec<u8>> {
    let (width, height) = if dice.percent(30) { (360, 480) } else { (480, 320) };
    let (sky, land) = (color(dice, 120), color(dice, 30));
    let (sun_x, sun_y) = (dice.below(width as usize), dice.below(height as usize / 2));
    let (phase, waves) = (dice.below(628) as f32 / 100.0, 1.0 + dice.below(4) as f32);
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let (across, down) = (x as f32 / width as f32, y as f32 / height as f32);
        let ridge = 0.65 + 0.12 * (across * waves * TAU + phase).sin();
        let (from_x, from_y) = (x as f32 - sun_x as f32, y as f32 - sun_y as f32);
        if down > ridge {
            shade(land, 1.4 - down)
        } else if from_x.hypot(from_y) < height as f32 / 12.0 {
            Rgb([255, 240, 200])
        } else {
            shade(sky, 1.2 - 0.6 * down)
        }
    });
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 80)
        .encode_image(&picture)
        .ok()?;
    Some(file)
}

fn color(dice: &mut Dice, least: usize) -> [f32; 3] {
    std::array::from_fn(|_| (least + dice.below(130)) as f32)
}

fn shade(color: [f32; 3], light: f32) -> Rgb<u8> {
    // A float that does not fit becomes the nearest that does.
    Rgb(color.map(|part| (part * light) as u8))
}

/// Somebody hums, louder and softer: a WAV file, and what a recorder says of it.
fn note(dice: &mut Dice) -> (Vec<u8>, VoiceNote) {
    let duration_ms = 1_500 + dice.below(10_000) as u32;
    let length = duration_ms * (NOTE_HZ / 1_000);
    let pitch = 110.0 + dice.below(110) as f32;
    let peaks: Vec<u8> = (0..WAVEFORM_COUNT).map(|_| 3 + dice.below(29) as u8).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(NOTE_HZ.to_le_bytes());
    file.extend(NOTE_HZ.to_le_bytes());
    file.extend(b"\x01\0\x08\0data");
    file.extend(length.to_le_bytes());
    file.extend((0..length).map(|sample| {
        let slice = sample as usize * WAVEFORM_COUNT / length as usize;
        let swing = (sample as f32 * pitch * TAU / NOTE_HZ as f32).sin();
        (128.0 + swing * 4.0 * f32::from(peaks[slice])) as u8
    }));
    let voice = VoiceNote {
        duration_ms: Some(duration_ms.into()),
        waveform: Some(peaks),
    };
    (file, voice)
}
