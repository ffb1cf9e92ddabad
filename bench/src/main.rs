//! The load generator as a program of its own; `chinwag bench` is the same.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    chinwag_bench::run(&chinwag_bench::Plan::parse())
}
