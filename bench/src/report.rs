//! What was measured: a table for people, JSON for programs, a page of bars for both.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use hdrhistogram::Histogram;

use crate::target::Subject;

/// Rows of results.
#[derive(Default, serde::Serialize)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(serde::Serialize)]
struct Row {
    what: String,
    unit: &'static str,
    /// The median of the rounds, of each subject. Rounds of the subjects take turns.
    values: BTreeMap<&'static str, f64>,
    /// Medians of the ratios of each round's pair.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ratios: BTreeMap<&'static str, f64>,
    marks: Vec<Mark>,
}

/// What a figure should be, and whether it is.
#[derive(serde::Serialize)]
struct Mark {
    text: String,
    reached: bool,
}

/// What a row should reach.
pub(crate) enum Aim {
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
    /// At most so many times another subject's value.
    Times(Subject, f64),
    /// At least so many times another subject's value.
    TimesOrMore(Subject, f64),
}

/// Values of one figure, round by round, of each subject.
#[derive(Default)]
pub(crate) struct Rounds(BTreeMap<&'static str, Vec<f64>>);

fn name(subject: Subject) -> &'static str {
    match subject {
        Subject::Bare => "bare",
        Subject::Chinwag => "chinwag",
        Subject::Rival => "rival",
    }
}

impl Rounds {
    /// One value and no more.
    pub(crate) fn one(subject: Subject, value: f64) -> Self {
        let mut rounds = Self::default();
        rounds.add(subject, value);
        rounds
    }

    /// Notes the value of the next round.
    pub(crate) fn add(&mut self, subject: Subject, value: f64) {
        self.0.entry(name(subject)).or_default().push(value);
    }

    fn ratio(&self, to: &'static str) -> Option<f64> {
        let (ours, theirs) = (self.0.get("chinwag")?, self.0.get(to)?);
        Some(median(ours.iter().zip(theirs).map(|(a, b)| a / b).collect()))
    }
}

impl Report {
    /// Adds a figure.
    pub(crate) fn add(&mut self, what: impl Into<String>, unit: &'static str, rounds: &Rounds, aims: &[Aim]) {
        let values: BTreeMap<_, _> = rounds.0.iter().map(|(&n, v)| (n, median(v.clone()))).collect();
        let ratios = ["bare", "rival"]
            .into_iter()
            .filter_map(|to| Some((to, rounds.ratio(to)?)))
            .collect();
        let ours = values.get("chinwag").copied();
        let marks = aims.iter().filter_map(|aim| mark(aim, ours?, rounds)).collect();
        self.rows.push(Row {
            what: what.into(),
            unit,
            values,
            ratios,
            marks,
        });
    }

    /// Adds three percentiles of latencies in microseconds, and marks the second.
    pub(crate) fn latencies(
        &mut self,
        what: &str,
        subjects: &BTreeMap<Subject, Histogram<u64>>,
        p99: &[Aim],
    ) {
        for (share, text, aims) in [(0.5, "p50", &[][..]), (0.99, "p99", p99), (0.999, "p99.9", &[])] {
            let mut rounds = Rounds::default();
            for (&subject, histogram) in subjects {
                rounds.add(subject, histogram.value_at_quantile(share) as f64 / 1e3);
            }
            self.add(format!("{what}, {text}"), "ms", &rounds, aims);
        }
    }

    /// Adds how long 95 of a hundred took at most, from microseconds.
    pub(crate) fn p95(&mut self, what: &str, took: &Histogram<u64>, aims: &[Aim]) {
        let value = took.value_at_quantile(0.95) as f64 / 1e3;
        let rounds = Rounds::one(Subject::Chinwag, value);
        self.add(format!("{what}, p95"), "ms", &rounds, aims);
    }

    /// Prints the table and writes the files.
    #[expect(clippy::print_stdout, reason = "this is what the program is for")]
    pub(crate) fn finish(&self, path: &Path) -> anyhow::Result<()> {
        println!("{}", self.table());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        let json = serde_json::to_string_pretty(self)?;
        let page = path.with_extension("html");
        fs::write(path, &json).with_context(|| format!("writing {}", path.display()))?;
        fs::write(&page, include_str!("plot.html").replace("/*DATA*/", &json))
            .with_context(|| format!("writing {}", page.display()))?;
        println!("Also in {} and {}", path.display(), page.display());
        Ok(())
    }

    fn table(&self) -> String {
        let mut table = String::new();
        // Writing into a string cannot fail.
        let _ = writeln!(
            table,
            "\n{:<60} {:>11} {:>11} {:>11}  {:<12} {:>7} {:>7}  mark",
            "measured", "chinwag", "bare", "rival", "unit", "× bare", "× rival"
        );
        for row in &self.rows {
            let value = |name| row.values.get(name).map_or(String::new(), |value| shown(*value));
            let ratio = |name| {
                row.ratios
                    .get(name)
                    .map_or(String::new(), |value| format!("{value:.2}"))
            };
            let marks: Vec<String> = row
                .marks
                .iter()
                .map(|mark| {
                    format!(
                        "{} — {}",
                        mark.text,
                        if mark.reached { "reached" } else { "MISSED" }
                    )
                })
                .collect();
            let _ = writeln!(
                table,
                "{:<60} {:>11} {:>11} {:>11}  {:<12} {:>7} {:>7}  {}",
                row.what,
                value("chinwag"),
                value("bare"),
                value("rival"),
                row.unit,
                ratio("bare"),
                ratio("rival"),
                marks.join("; ")
            );
        }
        table
    }
}

fn mark(aim: &Aim, ours: f64, rounds: &Rounds) -> Option<Mark> {
    let (text, reached) = match *aim {
        Aim::AtMost(limit) => (format!("at most {limit}"), ours <= limit),
        Aim::AtLeast(limit) => (format!("at least {limit}"), ours >= limit),
        Aim::Times(to, times) => {
            let to = name(to);
            (format!("at most {times} × {to}"), rounds.ratio(to)? <= times)
        }
        Aim::TimesOrMore(to, times) => {
            let to = name(to);
            (format!("at least {times} × {to}"), rounds.ratio(to)? >= times)
        }
    };
    Some(Mark { text, reached })
}

fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// The middle value.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_compare_pairs_of_a_round() {
        let mut rounds = Rounds::default();
        for (ours, bare) in [(2.0, 1.0), (30.0, 10.0), (3.0, 2.0)] {
            rounds.add(Subject::Chinwag, ours);
            rounds.add(Subject::Bare, bare);
        }
        let mut report = Report::default();
        let aims = [
            Aim::Times(Subject::Bare, 1.9),
            Aim::AtMost(3.0),
            Aim::Times(Subject::Rival, 1.0),
        ];
        report.add("cost", "µs", &rounds, &aims);
        let row = &report.rows[0];
        assert_eq!((row.values["chinwag"], row.ratios["bare"]), (3.0, 2.0));
        let reached: Vec<bool> = row.marks.iter().map(|mark| mark.reached).collect();
        assert_eq!(reached, [false, true], "no mark against who was not measured");
    }
}
