//! What measures came to: kept in `docs/benchmarks.json`, shown in `docs/benchmarks.md` between two marks. What was not run is not there.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{machine::Machine, stats::Figure};

const BEGIN: &str = "<!-- figures -->";
const END: &str = "<!-- end of figures -->";

/// One measure, run once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    /// Rounds that did not count, and why.
    pub(crate) void: Vec<String>,
}

/// One line of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) figure: Figure,
    pub(crate) unit: String,
    /// What it should come to: what is promised, then what is hoped for.
    pub(crate) aim: Option<Aim>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Aim {
    AtLeast(f64, f64),
    AtMost(f64, f64),
}

impl Aim {
    fn verdict(self, value: f64) -> &'static str {
        let (first, second) = match self {
            Self::AtLeast(first, second) => (value >= first, value >= second),
            Self::AtMost(first, second) => (value <= first, value <= second),
        };
        match (first, second) {
            (_, true) if self.is_one() => "yes",
            (_, true) => "both",
            (true, false) => "the first",
            (false, false) => "**falls short**",
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(aim, _) if self.is_one() => format!("≥ {aim}"),
            Self::AtMost(aim, _) if self.is_one() => format!("≤ {aim}"),
            Self::AtLeast(first, second) => format!("≥ {first}, then {second}"),
            Self::AtMost(first, second) => format!("≤ {first}, then {second}"),
        }
    }

    /// Nothing more is hoped for than what is promised.
    fn is_one(self) -> bool {
        let (Self::AtLeast(first, second) | Self::AtMost(first, second)) = self;
        first == second
    }
}

/// Collects one measure's rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    void: Vec<String>,
}

impl Rows {
    /// A line; nothing if no round counted.
    pub(crate) fn add(&mut self, what: impl Into<String>, unit: &str, aim: Option<Aim>, rounds: impl IntoIterator<Item = f64>) {
        let what = what.into();
        match Figure::of(rounds) {
            Some(figure) => {
                let row = Row { what, figure, unit: unit.to_owned(), aim };
                println!("  {}", row.line());
                self.rows.push(row);
            }
            None => println!("  {what}: no round counted"),
        }
    }

    pub(crate) fn void(&mut self, why: String) {
        println!("  void: {why}");
        self.void.push(why);
    }

    pub(crate) fn measured(self) -> Measured {
        Measured { machine: Machine::this(), rows: self.rows, void: self.void }
    }
}

impl Row {
    fn line(&self) -> String {
        let Figure { median, lowest, highest, rounds } = self.figure;
        format!("{}: {} {} ({} to {}, {rounds} rounds)", self.what, number(median), self.unit, number(lowest), number(highest))
    }
}

/// Everything that was measured, by the measure's name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    measures: BTreeMap<String, Measured>,
}

impl Report {
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        match fs::read_to_string(folder.join("benchmarks.json")) {
            Ok(json) => serde_json::from_str(&json).context("benchmarks.json"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).context("benchmarks.json"),
        }
    }

    pub(crate) fn put(&mut self, name: &str, measured: Measured) {
        self.measures.insert(name.to_owned(), measured);
    }

    /// Writes both files; the prose around the marks stays.
    pub(crate) fn save(&self, folder: &Path, titles: &[(&str, &str)]) -> anyhow::Result<()> {
        fs::write(folder.join("benchmarks.json"), serde_json::to_string_pretty(self)? + "\n")?;
        let path = folder.join("benchmarks.md");
        let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        fs::write(&path, replaced(&page, &self.tables(titles)).context("docs/benchmarks.md has lost its marks")?)?;
        Ok(())
    }

    fn tables(&self, titles: &[(&str, &str)]) -> String {
        let mut out = String::new();
        for (name, title) in titles {
            match self.measures.get(*name) {
                Some(measured) => measured.write(name, title, &mut out),
                None => _ = write!(out, "### {title}\n\n`ONLY={name}`: not run.\n\n"),
            }
        }
        out
    }
}

impl Measured {
    fn write(&self, name: &str, title: &str, out: &mut String) {
        let _ = write!(out, "### {title}\n\n`ONLY={name}`, {}.\n\n", self.machine);
        out.push_str("| | median | lowest | highest | rounds | aim | reaches |\n|---|---:|---:|---:|---:|---|---|\n");
        for Row { what, figure, unit, aim } in &self.rows {
            let Figure { median, lowest, highest, rounds } = *figure;
            let (median_text, lowest, highest) = (number(median), number(lowest), number(highest));
            let (aim_text, verdict) = aim.map_or_else(Default::default, |aim| (aim.text(), aim.verdict(median)));
            let _ = writeln!(out, "| {what} | {median_text} {unit} | {lowest} | {highest} | {rounds} | {aim_text} | {verdict} |");
        }
        out.push('\n');
        if !self.void.is_empty() {
            let _ = write!(out, "{} void rounds: {}.\n\n", self.void.len(), self.void.join("; "));
        }
    }
}

/// Three digits that say something.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn replaced(page: &str, tables: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{tables}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_its_prose_and_says_what_was_not_run_and_what_falls_short() {
        let mut report = Report::default();
        let mut rows = Rows::default();
        rows.add("limit ÷ ours", "", Some(Aim::AtLeast(0.8, 0.92)), [0.7, 0.72, 0.71]);
        report.put("delivery", rows.measured());
        let tables = report.tables(&[("delivery", "Delivery"), ("votes", "Votes")]);
        assert!(tables.contains("| limit ÷ ours | 0.710  | 0.700 | 0.720 | 3 | ≥ 0.8, then 0.92 | **falls short** |"), "{tables}");
        assert!(tables.contains("### Votes\n\n`ONLY=votes`: not run."));
        let page = replaced(&format!("before\n{BEGIN}old{END}\nafter"), &tables).unwrap();
        assert!(page.starts_with("before\n") && page.ends_with("\nafter") && !page.contains("old"));
        assert_eq!(replaced("no marks", ""), None);
    }

    #[test]
    fn a_figure_may_reach_one_aim_or_both() {
        let aim = Aim::AtMost(1.5, 1.15);
        assert_eq!([1.6, 1.4, 1.1].map(|value| aim.verdict(value)), ["**falls short**", "the first", "both"]);
        let aim = Aim::AtLeast(0.7, 0.7);
        assert_eq!((aim.text().as_str(), aim.verdict(0.7), aim.verdict(0.6)), ("≥ 0.7", "yes", "**falls short**"));
    }
}
