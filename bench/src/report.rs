//! What was measured: a table for people, JSON for programs.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// Rows of results, with the mark each should reach.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(serde::Serialize)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    /// What it should be, in words.
    mark: &'static str,
    /// Whether it is; null where there is no mark.
    reached: Option<bool>,
}

impl Report {
    /// Adds a figure without a mark.
    pub(crate) fn figure(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.rows.push(Row {
            what: what.into(),
            value,
            unit,
            mark: "",
            reached: None,
        });
    }

    /// Adds a figure with its mark.
    pub(crate) fn marked(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        mark: &'static str,
        reached: bool,
    ) {
        self.rows.push(Row {
            what: what.into(),
            value,
            unit,
            mark,
            reached: Some(reached),
        });
    }

    /// Prints the table and writes the file.
    #[expect(clippy::print_stdout, reason = "this is what the program is for")]
    pub(crate) fn finish(&self, path: &Path) -> anyhow::Result<()> {
        println!("\n{:<58} {:>12} {:<12} mark", "measured", "value", "unit");
        for row in &self.rows {
            let reached = match row.reached {
                None => String::new(),
                Some(true) => format!("{} — reached", row.mark),
                Some(false) => format!("{} — MISSED", row.mark),
            };
            println!("{:<58} {:>12.2} {:<12} {reached}", row.what, row.value, row.unit);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        fs::write(path, serde_json::to_string_pretty(&self.rows)?)
            .with_context(|| format!("writing {}", path.display()))?;
        println!("\nAlso in {}", path.display());
        Ok(())
    }
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that `share` of the sorted values do not exceed.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let index = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1;
    sorted[index] as f64
}
