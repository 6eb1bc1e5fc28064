//! What a measurement has found so far: a row per bug, kept as lines of JSON.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use stormglass_broker_core::plant::Plant;

/// What the hunts for one bug gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) name: String,
    /// Seeds that were run.
    pub(super) seeds: u64,
    /// Those that show the bug.
    pub(super) shown: u64,
    /// The first of them.
    pub(super) first: Option<u64>,
    /// How often each checker saw it.
    pub(super) checkers: BTreeMap<String, u64>,
    /// CPU time of all seeds, s.
    pub(super) cpu_s: f64,
    /// Events that are left of the first one's plan.
    pub(super) shrunk: Option<u64>,
}

impl Row {
    fn of(value: &Value) -> Self {
        let number = |key: &str| value[key].as_u64().unwrap_or(0);
        let checkers = value["checkers"].as_object().into_iter().flatten();
        Self {
            name: value["name"].as_str().unwrap_or("?").to_owned(),
            seeds: number("seeds"),
            shown: number("shown"),
            first: value["first"].as_u64(),
            checkers: checkers
                .map(|(name, count)| (name.clone(), count.as_u64().unwrap_or(0)))
                .collect(),
            cpu_s: value["cpu_s"].as_f64().unwrap_or(0.0),
            shrunk: value["shrunk"].as_u64(),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "seeds": self.seeds, "shown": self.shown, "first": self.first,
            "checkers": self.checkers, "cpu_s": self.cpu_s, "shrunk": self.shrunk,
        })
    }

    /// Seeds showed it to a checker.
    pub(super) fn showed(&mut self, checker: &str, count: u64) {
        if count > 0 {
            self.shown += count;
            *self.checkers.entry(checker.to_owned()).or_default() += count;
        }
    }

    /// Checkers that fired, the one that did so most often first.
    pub(super) fn checkers(&self) -> String {
        let mut counts: Vec<(&String, &u64)> = self.checkers.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let names: Vec<&str> = counts.iter().take(3).map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { "**missed**".to_owned() } else { names.join(", ") }
    }

    /// Seeds after which half of all hunts have found it, from the share of seeds that show it.
    pub(super) fn median_seeds(&self) -> Option<u64> {
        let missed = 1.0 - self.shown as f64 / self.seeds.max(1) as f64;
        let mut still_hidden = 1.0;
        // at most some seven tenths of the seeds that were run
        (1..=self.seeds).find(|_| {
            still_hidden *= missed;
            still_hidden <= 0.5
        })
    }
}

/// All rows, and which seeds are sound without a bug.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    /// Of this measurement only.
    pub(super) sound: BTreeMap<u64, bool>,
    file: Option<PathBuf>,
}

impl Rows {
    /// What a file has, if there is one.
    pub(super) fn read(file: Option<PathBuf>) -> Result<Self, String> {
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
        let mut rows = Self { file, ..Self::default() };
        for line in text.iter().flat_map(|text| text.lines()) {
            let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            let row = Row::of(&value);
            // a bug that has another name by now, or none
            if Plant::by_name(&row.name).is_some() {
                rows.rows.push(row);
            }
        }
        Ok(rows)
    }

    /// A bug's row; an empty one if it was not hunted yet.
    pub(super) fn row(&self, name: &str) -> Row {
        let known = self.rows.iter().find(|row| row.name == name);
        known.cloned().unwrap_or_else(|| Row { name: name.to_owned(), ..Row::default() })
    }

    /// Keeps a row.
    pub(super) fn put(&mut self, row: Row) -> Result<(), String> {
        match self.rows.iter_mut().find(|known| known.name == row.name) {
            Some(known) => *known = row,
            None => self.rows.push(row),
        }
        let Some(file) = &self.file else { return Ok(()) };
        let lines: String = self.rows.iter().map(|row| format!("{}\n", row.to_json())).collect();
        fs::write(file, lines).map_err(|error| format!("{}: {error}", file.display()))
    }

    pub(super) fn all(&self) -> &[Row] {
        &self.rows
    }
}
