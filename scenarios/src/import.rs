//! Scenarios from what other tools know of a cluster and its load: Amazon MSK, CloudWatch, Kafka's
//! command-line tools, Prometheus, OpenMessaging Benchmark and Trogdor.
//!
//! Every file adds facts to one draft, with the place where each was found. What no file tells is
//! guessed, and said to be guessed, in the scenario's text and in a list. What the scenario language
//! cannot express is left out, and said, too. Broken input is an error with its place.

mod cloudwatch;
mod detect;
mod doc;
mod draft;
mod guess;
mod guess_managed;
mod kafka_tools;
mod locate;
mod msk;
mod omb;
mod prometheus;
mod properties;
mod render;
mod series;
mod toolkit;
mod trogdor;
mod trogdor_faults;

#[cfg(test)]
mod tests;

pub use cloudwatch::{QueryOptions, queries};

use detect::Kind;
use doc::Doc;
use draft::Draft;
use serde::Serialize;
use std::fmt;

/// Largest file that is read: metric data of a day at a minute, for hundreds of series, has less.
const FILE_BYTES_MAX: usize = 64 << 20;

/// A file to import.
#[derive(Debug, Clone)]
pub struct ImportFile {
    /// Name for messages and provenance.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// How to read what leaves a choice.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Name of the scenario, in place of the cluster's or the workload's.
    pub name: Option<String>,
    /// Which point of measured traffic is the load.
    pub load: Load,
}

/// Which point of measured traffic is the load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Load {
    /// The busiest point in time.
    #[default]
    Peak,
    /// The mean over time.
    Average,
}

/// A scenario from other tools' files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Name of the scenario.
    pub name: String,
    /// What was read, a line for each fact: key, value, and where it was found.
    pub found: Vec<Found>,
    /// What no file told.
    pub guessed: Vec<String>,
    /// What was in the files and is not in the scenario.
    pub left_out: Vec<String>,
    /// Keys that the files vary: a sweep of the scenario.
    pub sweep: Vec<Varied>,
    /// The scenario's text.
    pub toml: String,
}

/// A fact of the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Key of the scenario.
    pub key: String,
    /// Its value.
    pub value: String,
    /// File and place.
    pub from: String,
}

/// A key and the values that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Varied {
    /// Path as `sweep --vary` takes it.
    pub path: String,
    /// Values as written there.
    pub values: Vec<String>,
}

/// Why a file cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    /// File, and the line or the path within it.
    pub place: String,
    /// What is wrong, a sentence without a full stop.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
}

impl ImportError {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for ImportError {}

/// One scenario of all files together.
///
/// # Errors
/// When a file is of no known kind, is broken, or contradicts another one.
pub fn import(files: &[ImportFile], options: &ImportOptions) -> Result<Imported, ImportError> {
    let files: Vec<ImportFile> = files.iter().map(in_utf8).collect();
    read(&files, options).map_err(|error| error.located(&files))
}

/// A file that PowerShell's `>` has written is UTF-16.
fn in_utf8(file: &ImportFile) -> ImportFile {
    let unit: fn([u8; 2]) -> u16 = match file.bytes.get(..2) {
        Some([0xff, 0xfe]) => u16::from_le_bytes,
        Some([0xfe, 0xff]) => u16::from_be_bytes,
        _ => return file.clone(),
    };
    let units = file.bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    // What is no UTF-16 stays as it is, to be refused with its place.
    let text: Result<String, _> = char::decode_utf16(units).collect();
    let bytes = text.map_or_else(|_| file.bytes.clone(), String::into_bytes);
    ImportFile { name: file.name.clone(), bytes }
}

fn read(files: &[ImportFile], options: &ImportOptions) -> Result<Imported, ImportError> {
    let mut draft = Draft::default();
    let mut metrics = Vec::new();
    let mut queries = cloudwatch::Queries::default();
    for file in files {
        let text = text_of(file)?;
        match detect::kind(&file.name, text)? {
            Kind::Json(value, kind) => {
                let doc = Doc::root(&file.name, &value);
                match kind {
                    detect::JsonKind::Msk => msk::cluster(&doc, &mut draft)?,
                    detect::JsonKind::MskNodes => msk::nodes(&doc, &mut draft)?,
                    detect::JsonKind::MskConfiguration => msk::configuration(&doc, &mut draft)?,
                    detect::JsonKind::Queries => queries.read(&doc)?,
                    // Queries may come after their results.
                    detect::JsonKind::Metrics => metrics.push((file.name.as_str(), value)),
                    detect::JsonKind::Prometheus => prometheus::range(&doc, &mut draft)?,
                    detect::JsonKind::LogDirs => kafka_tools::log_dirs(&doc, &mut draft)?,
                    detect::JsonKind::Toolkit => toolkit::cluster(&doc, &mut draft)?,
                    detect::JsonKind::Trogdor => trogdor::spec(&doc, &mut draft)?,
                }
            }
            Kind::Topics => kafka_tools::topics(&file.name, text, &mut draft)?,
            Kind::Groups => kafka_tools::groups(&file.name, text, &mut draft)?,
            Kind::Exposition => prometheus::exposition(&file.name, text, &mut draft)?,
            Kind::OmbDriver(value) => omb::driver(&Doc::root(&file.name, &value), &mut draft)?,
            Kind::OmbWorkload(value) => omb::workload(&Doc::root(&file.name, &value), &mut draft)?,
        }
    }
    for (name, value) in &metrics {
        cloudwatch::results(&Doc::root(name, value), &queries, &mut draft)?;
    }
    omb::finish(&mut draft)?;
    trogdor::finish(&mut draft);
    series::reduce(&mut draft, options.load);
    guess::complete(&mut draft);
    render::scenario(draft, options)
}

fn text_of(file: &ImportFile) -> Result<&str, ImportError> {
    if file.bytes.len() > FILE_BYTES_MAX {
        let message = format!("{} bytes are more than {FILE_BYTES_MAX}", file.bytes.len());
        return Err(ImportError::new(&file.name, message).help("split it, or ask for less time"));
    }
    let text = std::str::from_utf8(&file.bytes).map_err(|error| {
        let message = format!("not a text file: byte {} is not UTF-8", error.valid_up_to());
        ImportError::new(&file.name, message)
    })?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err(ImportError::new(&file.name, "the file is empty"));
    }
    Ok(text)
}
