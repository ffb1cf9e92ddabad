//! Keeps the walls between the crates: who may name whom, and that protocols are free of I/O and clocks.

use std::fs;
use std::path::{Path, PathBuf};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the folder of all crates")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Lines of the crate's own code that hold one of the words, comments left out.
fn lines_with(name: &str, words: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    sources(&crates().join(name).join("src"), &mut files);
    assert!(!files.is_empty(), "{name} has code");
    let mut hits = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                hits.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    hits
}

#[test]
fn each_crate_names_only_those_it_may() {
    for (name, may) in [
        ("engine", &[][..]),
        ("messenger", &[]),
        ("protocol", &["engine"]),
        ("backends", &["engine", "messenger"]),
        ("server", &["engine", "messenger", "protocol"]),
        (
            "chinwag",
            &["backends", "bench", "engine", "messenger", "protocol", "server"],
        ),
    ] {
        let path = crates().join(name).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(path).expect("readable").parse().expect("TOML");
        let dependencies = manifest["dependencies"].as_table().expect("a table");
        for dependency in dependencies.keys().filter_map(|key| key.strip_prefix("chinwag-")) {
            assert!(may.contains(&dependency), "{name} must not name {dependency}");
        }
    }
    let folders = fs::read_dir(crates()).expect("a folder").count();
    assert_eq!(
        folders, 6,
        "a seventh crate wants a good reason, and a line in this test"
    );
}

#[test]
fn protocols_are_free_of_io_and_clocks() {
    let words = [
        "async ",
        ".await",
        "tokio",
        "Instant::now",
        "SystemTime",
        "std::net",
        "std::fs",
        "std::thread",
    ];
    let hits = lines_with("protocol", &words);
    assert!(hits.is_empty(), "{hits:#?}");
}

#[test]
fn the_engine_and_the_messenger_know_neither_wires_nor_databases() {
    for name in ["engine", "messenger"] {
        let hits = lines_with(name, &["pusher:", "axum", "hyper", "sqlx", "sea_orm", "http::"]);
        assert!(hits.is_empty(), "{hits:#?}");
    }
}
