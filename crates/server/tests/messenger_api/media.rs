//! Files: bringing them, what is kept of them, and who may read them.

mod avatars;
mod messages;
mod resumable;

use std::io::Cursor;
use std::path::Path;

use axum::http::Method;
use chinwag_messenger::{AttachmentLimits, Options, Timestamp};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::support::{Answer, Person, Server, Setup};

const BOUNDARY: &str = "the-boundary";

/// A form with words and a file.
pub(crate) fn form(name: &str, file: &[u8], words: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (word, value) in words {
        let head =
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{word}\"\r\n\r\n{value}\r\n");
        body.extend(head.into_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         content-type: image/png\r\n\r\n"
    );
    body.extend(head.into_bytes());
    body.extend(file);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    body
}

impl Server {
    pub(crate) async fn bring_form(&self, by: &Person, body: Vec<u8>) -> Answer {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let ask = self.ask(Method::POST, "/attachments").by(by);
        ask.body(&kind, body).send().await
    }

    /// A file that is taken.
    pub(crate) async fn bring(&self, by: &Person, name: &str, file: &[u8]) -> Value {
        let answer = self.bring_form(by, form(name, file, &[])).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json
    }

    pub(crate) async fn content(&self, by: &Person, attachment: &Value) -> Answer {
        let path = format!("/attachments/{}/content", id(attachment));
        self.get(&path).by(by).send().await
    }

    /// How many files are stored, whoever refers to them.
    pub(crate) fn stored_files(&self) -> usize {
        let folders = std::fs::read_dir(self.folder.path().join("files")).unwrap();
        let count = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
        folders.map(|folder| count(&folder.unwrap().path())).sum()
    }
}

pub(crate) fn id(attachment: &Value) -> &str {
    attachment["id"].as_str().unwrap()
}

/// A server with other bounds.
pub(crate) async fn with_limits(limits: AttachmentLimits) -> Server {
    let messenger = Options {
        attachments: limits,
        ..Options::default()
    };
    Server::start_with(Setup {
        messenger,
        ..Setup::default()
    })
    .await
}

fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 128]))
}

pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let image = DynamicImage::ImageRgb8(gradient(width, height));
    image.write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

const SECRET_PLACE: &[u8] = b"59.9386 N 30.3141 E";

/// A photograph that lies on its side, with the place where it was taken.
fn photograph(width: u32, height: u32) -> Vec<u8> {
    let mut plain = Vec::new();
    gradient(width, height)
        .write_with_encoder(JpegEncoder::new_with_quality(&mut plain, 90))
        .unwrap();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0".to_vec();
    // Orientation 6: to be turned clockwise. Then where the place is told.
    exif.extend(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0");
    exif.extend(b"\x25\x88\x04\0\x01\0\0\0\x26\0\0\0");
    exif.extend(b"\0\0\0\0");
    exif.extend(b"\x01\0\x1c\0\x02\0");
    exif.extend((SECRET_PLACE.len() as u32).to_le_bytes());
    exif.extend(b"\x38\0\0\0\0\0\0\0");
    exif.extend(SECRET_PLACE);
    let mut file = plain[..2].to_vec();
    file.extend(b"\xff\xe1");
    file.extend((exif.len() as u16 + 2).to_be_bytes());
    file.extend(exif);
    file.extend(&plain[2..]);
    // As phones do: something behind the image.
    file.extend(SECRET_PLACE);
    file
}

/// Silence.
pub(crate) fn wav(duration_ms: u32) -> Vec<u8> {
    let length = duration_ms * 8;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(8_000_u32.to_le_bytes());
    file.extend(8_000_u32.to_le_bytes());
    file.extend(b"\x01\0\x08\0data");
    file.extend(length.to_le_bytes());
    file.resize(file.len() + length as usize, 128);
    file
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photograph_is_stored_upright_and_without_its_place() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let file = photograph(800, 400);
    assert!(contains(&file, SECRET_PLACE));
    let photo = server.bring(&sam, "holiday.jpg", &file).await;
    assert_eq!(
        (&photo["kind"], &photo["mime"], &photo["name"], &photo["state"]),
        (
            &json!("image"),
            &json!("image/jpeg"),
            &json!("holiday.jpg"),
            &json!("ready")
        )
    );
    assert_eq!((&photo["width"], &photo["height"]), (&json!(400), &json!(800)));
    assert!(photo["placeholder"].is_string());
    let sizes: Vec<_> = photo["thumbs"].as_array().unwrap().iter().collect();
    assert_eq!(
        sizes,
        [
            &json!({"size": 320, "width": 160, "height": 320, "mime": "image/jpeg"}),
            &json!({"size": 1280, "width": 400, "height": 800, "mime": "image/jpeg"})
        ]
    );

    let answer = server.content(&sam, &photo).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("image/jpeg"));
    assert!(
        answer
            .header("content-disposition")
            .unwrap()
            .starts_with("inline;")
    );
    assert_eq!(answer.bytes.len() as u64, photo["size"].as_u64().unwrap());
    assert!(!contains(&answer.bytes, SECRET_PLACE) && !contains(&answer.bytes, b"Exif"));
    let image = image::load_from_memory(&answer.bytes).unwrap();
    assert_eq!((image.width(), image.height()), (400, 800));
    // What was at the left is at the top now: little red, and much of it further down.
    let red = |y: u32| image.to_rgb8().get_pixel(200, y).0[0];
    assert!(red(2) < 20 && red(200) > 150, "{} {}", red(2), red(200));

    let path = format!("/attachments/{}/thumb/320", id(&photo));
    let thumb = server.get(&path).by(&sam).send().await;
    assert_eq!(
        (thumb.status, thumb.header("content-type")),
        (200, Some("image/jpeg"))
    );
    let small = image::load_from_memory(&thumb.bytes).unwrap();
    assert_eq!((small.width(), small.height()), (160, 320));
    for path in ["thumb/100", "thumb/0", "thumb/x", "thumb/1280x"] {
        let path = format!("/attachments/{}/{path}", id(&photo));
        assert_eq!(server.get(&path).by(&sam).send().await.status, 404, "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_could_run_is_only_downloaded() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let harmful: [(&str, &[u8]); 4] = [
        (
            "drawing.png",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>",
        ),
        (
            "drawing.svg",
            b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        ),
        ("page.jpg", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("script.js", b"alert(1)"),
    ];
    for (name, file) in harmful {
        let attachment = server.bring(&sam, name, file).await;
        assert_eq!(attachment["kind"], "file", "{name}");
        assert_eq!(attachment["thumbs"], json!([]));
        let answer = server.content(&sam, &attachment).await;
        assert_eq!(answer.bytes, file);
        let check =
            |header: &str, expected: &str| assert_eq!(answer.header(header), Some(expected), "{name}");
        check("content-type", "application/octet-stream");
        check(
            "content-disposition",
            &format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}"),
        );
        check("x-content-type-options", "nosniff");
        check("cache-control", "private, max-age=31536000, immutable");
        assert!(
            answer
                .header("content-security-policy")
                .unwrap()
                .starts_with("sandbox; default-src 'none'")
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_files_lead_nowhere() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let check = async |given: &str, expected: &str| {
        let attachment = server.bring(&sam, given, b"words").await;
        assert_eq!(attachment["name"], expected);
    };
    check("../../../etc/passwd", "passwd").await;
    check("..", "file").await;
    check("C:/Users/sam/photo.png", "photo.png").await;
    check("\u{202e}gpj.exe", "gpj.exe").await;
    // One content, and no name of anybody's.
    let files = server.folder.path().join("files");
    let folders: Vec<_> = std::fs::read_dir(files).unwrap().map(Result::unwrap).collect();
    assert_eq!(folders.len(), 1);
    let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().unwrap();
    let inner = std::fs::read_dir(folders[0].path()).unwrap().map(Result::unwrap);
    let names: Vec<_> = inner.map(|file| name(&folders[0]) + &name(&file)).collect();
    let attachment = server.bring(&sam, "again", b"words").await;
    assert_eq!(json!(names), json!([attachment["sha256"]]));
    let arriving = std::fs::read_dir(server.folder.path().join("arriving")).unwrap();
    assert_eq!(arriving.count(), 0, "nothing is left on the way");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_files_can_be_asked_for() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let attachment = server.bring(&sam, "letters.bin", b"abcdefghij").await;
    let path = format!("/attachments/{}/content", id(&attachment));
    let check = async |range: &str, status: u16, told: Option<&str>, body: &[u8]| {
        let answer = server.get(&path).by(&sam).header("range", range).send().await;
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(answer.header("content-range"), told, "{range}");
        if status < 400 {
            assert_eq!(answer.bytes, body, "{range}");
        }
    };
    check("bytes=2-4", 206, Some("bytes 2-4/10"), b"cde").await;
    check("bytes=7-", 206, Some("bytes 7-9/10"), b"hij").await;
    check("bytes=-2", 206, Some("bytes 8-9/10"), b"ij").await;
    check("bytes=0-99", 206, Some("bytes 0-9/10"), b"abcdefghij").await;
    check("bytes=10-", 416, Some("bytes */10"), b"").await;
    check("bytes=1-2,4-5", 200, None, b"abcdefghij").await;
    check("lines=1-2", 200, None, b"abcdefghij").await;

    let whole = server.get(&path).by(&sam).send().await;
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("content-length"), Some("10"));
    let tag = whole.header("etag").unwrap();
    let known = server.get(&path).by(&sam).header("if-none-match", tag);
    let known = known.send().await;
    assert_eq!((known.status, known.bytes.len()), (304, 0));
    let head = server.ask(Method::HEAD, &path).by(&sam).send().await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some("10"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_nobody_sent_is_its_uploaders_alone() {
    let server = Server::start().await;
    let (sam, alex) = (server.person("sam").await, server.person("alex").await);
    let attachment = server.bring(&sam, "photo.png", &png(40, 20)).await;
    for path in ["", "/content", "/thumb/320"] {
        let path = format!("/attachments/{}{path}", id(&attachment));
        assert_eq!(server.get(&path).by(&sam).send().await.status, 200, "{path}");
        assert_eq!(server.get(&path).by(&alex).send().await.status, 404, "{path}");
        assert_eq!(server.get(&path).send().await.status, 401, "{path}");
        let unknown = path.replace(id(&attachment), "0190b1c2-0000-4000-8000-000000000000");
        assert_eq!(
            server.get(&unknown).by(&sam).send().await.status,
            404,
            "{unknown}"
        );
    }
    let nothing = server.get("/attachments/7/content").by(&sam).send().await;
    assert_eq!(nothing.status, 404);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_stored_once_and_removed_with_the_last_who_refers() {
    let server = Server::start().await;
    let (sam, alex) = (server.person("sam").await, server.person("alex").await);
    let one = server.bring(&sam, "one.txt", b"the same").await;
    let other = server.bring(&alex, "other.txt", b"the same").await;
    assert_ne!(id(&one), id(&other));
    assert_eq!(one["sha256"], other["sha256"]);
    assert_eq!(server.stored_files(), 1);
    // Neither is used: gone after a day, and not before.
    let hours = |count: i64| Timestamp(Timestamp::now().0 + count * 60 * 60 * 1_000);
    server.messenger.sweep_unused(hours(23)).await.unwrap();
    assert_eq!(server.content(&sam, &one).await.status, 200);
    assert_eq!(server.stored_files(), 1);
    server.messenger.sweep_unused(hours(25)).await.unwrap();
    assert_eq!(server.content(&sam, &one).await.status, 404);
    assert_eq!(server.content(&alex, &other).await.status, 404);
    assert_eq!(server.stored_files(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_bring_no_file_are_refused() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let path = "/attachments";
    let json = server.post(path, &json!({})).by(&sam).send().await;
    json.check_code(415, "unsupported_media_type");
    let check = async |body: Vec<u8>, status: u16, code: &str| {
        server.bring_form(&sam, body).await.check_code(status, code);
    };
    let closed = format!("--{BOUNDARY}--\r\n");
    check(closed.clone().into_bytes(), 422, "validation_failed").await;
    check(b"no form at all".to_vec(), 400, "bad_request").await;
    let mut cut = form("a.txt", b"words", &[]);
    cut.truncate(cut.len() - 12);
    check(cut, 400, "bad_request").await;
    let mut twice = form("a.txt", b"words", &[]);
    twice.truncate(twice.len() - closed.len());
    twice.extend(form("b.txt", b"words", &[]));
    check(twice, 422, "validation_failed").await;
    let long = "x".repeat(5_000);
    check(
        form("a.txt", b"words", &[("kind", &long)]),
        413,
        "payload_too_large",
    )
    .await;
    let many: Vec<_> = (0..30).map(|_| ("other", &long[..3_000])).collect();
    check(form("a.txt", b"words", &many), 413, "payload_too_large").await;
    check(
        form("a.txt", b"words", &[("kind", "film")]),
        422,
        "validation_failed",
    )
    .await;
    let nobody = server.ask(Method::POST, path).send().await;
    nobody.check_code(401, "unauthenticated");
    assert_eq!(server.stored_files(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_beyond_the_bounds_are_refused() {
    let server = with_limits(AttachmentLimits {
        file_bytes_max: 40_000,
        quota_bytes: 50_000,
        image_pixels_max: 10_000,
        ..AttachmentLimits::default()
    })
    .await;
    let (sam, alex) = (server.person("sam").await, server.person("alex").await);
    let check = async |file: &[u8], status: u16, code: &str| {
        let answer = server.bring_form(&sam, form("a", file, &[])).await;
        answer.check_code(status, code);
    };
    check(&[7; 40_001], 413, "file_too_large").await;
    check(&vec![7; 400_000], 413, "file_too_large").await;
    check(&png(101, 100), 422, "image_too_large").await;
    let mut cut = png(100, 100);
    cut.truncate(cut.len() / 2);
    check(&cut, 422, "image_invalid").await;
    let mut lying = photograph(50, 50);
    lying.truncate(200);
    check(&lying, 422, "image_invalid").await;
    server.bring(&sam, "large.bin", &[7; 40_000]).await;
    check(&[8; 10_001], 507, "quota_exceeded").await;
    server.bring(&sam, "small.bin", &[8; 10_000]).await;
    check(b"x", 507, "quota_exceeded").await;
    // It is one's own.
    server.bring(&alex, "large.bin", &[7; 40_000]).await;
    let limits = &server.get("/config").send().await.json["limits"];
    assert_eq!(
        (
            &limits["file_bytes"],
            &limits["upload_quota_bytes"],
            &limits["image_pixels"]
        ),
        (&json!(40_000), &json!(50_000), &json!(10_000))
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_may_come_so_often() {
    let mut setup = Setup::default();
    setup.api.rate_limits.uploads_per_hour = 2;
    let server = Server::start_with(setup).await;
    let sam = server.person("sam").await;
    server.bring(&sam, "one", b"1").await;
    let announced = server.post("/uploads", &json!({"size": 1})).by(&sam).send().await;
    assert_eq!(announced.status, 201);
    let refused = server.bring_form(&sam, form("three", b"3", &[])).await;
    refused.check_code(429, "rate_limited");
    assert_eq!(refused.header("x-ratelimit-bucket"), Some("uploads"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn voice_notes_are_measured() {
    let server = with_limits(AttachmentLimits {
        voice_s_max: 10,
        voice_bytes_max: 70_000,
        ..AttachmentLimits::default()
    })
    .await;
    let sam = server.person("sam").await;
    let peaks: Vec<u8> = (0..64).map(|n| n % 32).collect();
    let waveform = json!(peaks).to_string();
    let speak = async |file: &[u8], words: &[(&str, &str)]| {
        let words: Vec<_> = [("kind", "voice")].iter().chain(words).copied().collect();
        server.bring_form(&sam, form("voice.wav", file, &words)).await
    };
    // Near enough to what the container says.
    let note = speak(&wav(2_000), &[("duration_ms", "2100"), ("waveform", &waveform)]).await;
    assert_eq!(note.status, 201, "{}", note.text);
    assert_eq!(note.json["kind"], "voice");
    assert_eq!(note.json["mime"], "audio/wav");
    assert_eq!(note.json["duration_ms"], 2_100);
    assert_eq!(note.json["waveform"], json!(peaks));
    // Not near enough.
    let note = speak(&wav(2_000), &[("duration_ms", "2300")]).await;
    assert_eq!(note.json["duration_ms"], 2_000);
    assert_eq!(note.json["waveform"], json!(vec![8; 64]));
    let note = speak(&wav(2_000), &[]).await;
    assert_eq!(note.json["duration_ms"], 2_000);
    let played = server.content(&sam, &note.json).await;
    assert!(
        played
            .header("content-disposition")
            .unwrap()
            .starts_with("inline")
    );

    let check = async |file: &[u8], words: &[(&str, &str)], status: u16, code: &str| {
        speak(file, words).await.check_code(status, code);
    };
    let short = json!(vec![1; 63]).to_string();
    let loud = json!(vec![32; 64]).to_string();
    for wrong in [&short[..], &loud, "[]", "[-1]", "quiet", "{}"] {
        check(&wav(2_000), &[("waveform", wrong)], 422, "waveform_invalid").await;
    }
    check(&wav(2_000), &[("duration_ms", "long")], 422, "validation_failed").await;
    // Longer than may be, whatever is claimed; and larger.
    check(&wav(8_900), &[("duration_ms", "1000")], 413, "file_too_large").await;
    check(&png(20, 20), &[], 415, "type_not_allowed").await;
    check(b"words", &[], 415, "type_not_allowed").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_note_may_be_so_long() {
    let server = with_limits(AttachmentLimits {
        voice_s_max: 3,
        ..AttachmentLimits::default()
    })
    .await;
    let sam = server.person("sam").await;
    let words = [("kind", "voice"), ("duration_ms", "1000")];
    let long = server.bring_form(&sam, form("a", &wav(3_500), &words)).await;
    long.check_code(413, "file_too_large");
    let fits = server.bring_form(&sam, form("a", &wav(2_900), &words)).await;
    assert_eq!(fits.json["duration_ms"], 2_900);
    // The same sound is no voice note when nobody says so, and may be longer.
    let sound = server.bring(&sam, "song.wav", &wav(3_500)).await;
    assert_eq!(
        (&sound["kind"], &sound["duration_ms"]),
        (&json!("audio"), &json!(3_500))
    );
    assert_eq!(sound["waveform"], Value::Null);
    server.stop().await;
}
