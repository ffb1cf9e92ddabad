//! Embeds the built web UI. Without one, a page that says how to build it stands in.

use std::path::Path;
use std::{env, fs};

fn main() {
    let built = Path::new("../../web/dist");
    println!("cargo:rerun-if-changed=../../web/dist/index.html");
    if built.join("index.html").exists() {
        memory_serve::load_directory("../../web/dist");
        return;
    }
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let stand_in = Path::new(&out).join("stand-in");
    fs::create_dir_all(&stand_in).expect("the output folder can be written");
    let page = "<!doctype html><title>Chinwag</title><p>The web UI is not built: run <code>make run</code>.";
    fs::write(stand_in.join("index.html"), page).expect("the output folder can be written");
    memory_serve::load_directory(stand_in.to_str().expect("the output folder has a plain name"));
}
