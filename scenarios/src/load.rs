//! From a scenario's text to its plan: parse, apply `--set`, read, check, resolve.

use crate::check;
use crate::digest::sha256_hex;
use crate::library::{library, negative};
use crate::plan::Plan;
use crate::resolve;
use crate::schema::decode::{Decode, Errors};
use crate::schema::scenario::Scenario;
use crate::text::diagnostic::{Diagnostic, ScenarioError, closest};
use crate::text::set;
use crate::text::source::{SCENARIO_BYTES_MAX, Source, Sources, Span};
use crate::text::tree::{self, Node};

/// The plan of a scenario.
///
/// `sets` are pairs of path and value laid over the text, as `--set path=value` gives them. `seed`
/// seeds every random stream of the run; it changes nothing else in the plan.
///
/// # Errors
/// Every error that was found in the scenario, each with its place.
pub fn load(source: &Source, sets: &[(String, String)], seed: u64) -> Result<Plan, ScenarioError> {
    let (root, sources, mut errors) = parsed(source, sets)?;
    let scenario = Scenario::decode(&root, &mut errors);
    if let Some(scenario) = &scenario {
        check::check(scenario, &mut errors);
    }
    match scenario {
        Some(scenario) if errors.is_empty() => {
            let digest = scenario_digest(&source.bytes, sets);
            Ok(resolve::plan(&scenario, &sources, digest, seed))
        }
        _ => Err(ScenarioError::new(sources, errors)),
    }
}

/// A scenario's tree with `sets` laid over it.
pub(crate) fn tree_of(source: &Source, sets: &[(String, String)]) -> Result<Node, ScenarioError> {
    let (root, sources, errors) = parsed(source, sets)?;
    if errors.is_empty() { Ok(root) } else { Err(ScenarioError::new(sources, errors)) }
}

/// The tree, the texts that it came from, and what is wrong with `sets`.
pub(crate) fn parsed(
    source: &Source,
    sets: &[(String, String)],
) -> Result<(Node, Sources, Errors), ScenarioError> {
    let mut sources = Sources::default();
    let text = decode_text(source, &mut sources)?;
    let offset = sources.add(source.name.as_str(), text.as_str());
    let mut errors = Errors::new();
    if text.trim().is_empty() {
        errors.push(empty());
        return Err(ScenarioError::new(sources, errors));
    }
    let (mut root, syntax_errors) = tree::parse(&text, offset);
    errors.extend(syntax_errors);
    if !errors.is_empty() {
        // What a broken line was meant to say is unknown: reading on would only guess.
        return Err(ScenarioError::new(sources, errors));
    }
    for (path, value) in sets {
        set::apply(&mut root, path, value, &mut sources, &mut errors);
    }
    Ok((root, sources, errors))
}

impl Source {
    /// A scenario of the library, of its negative scenarios, or of its regressions, by name.
    ///
    /// # Errors
    /// If there is none of that name; the message names the likely one.
    pub fn library(name: &str) -> Result<Self, ScenarioError> {
        let entries = || library().iter().chain(negative());
        if let Some(entry) = entries().find(|entry| entry.name == name) {
            return Ok(Self::new(entry.name, entry.text));
        }
        let mut sources = Sources::default();
        sources.add("scenario", name);
        let span = Span { start: 0, end: name.len() };
        let message = format!("no scenario named `{name}`");
        let diagnostic = Diagnostic::new(span, message, "not in the library");
        let help = match closest_scenario(name) {
            Some(closest) => format!("did you mean `{closest}`?"),
            None => {
                let names: Vec<&str> = entries().map(|entry| entry.name).collect();
                format!("the library has {}", names.join(", "))
            }
        };
        Err(ScenarioError::new(sources, vec![diagnostic.help(help)]))
    }
}

/// The scenario of the library, or of its negative ones, that a misspelt name was most likely meant to be.
#[must_use]
pub fn closest_scenario(name: &str) -> Option<&'static str> {
    closest(name, library().iter().chain(negative()).map(|entry| entry.name))
}

fn empty() -> Diagnostic {
    let help = "start from one of the library: `stormglass scenarios` lists them";
    Diagnostic::new(Span::default(), "the scenario is empty", "nothing here").help(help)
}

/// The text of a file, or an error that points at the first byte that is not text.
pub(crate) fn decode_text(source: &Source, sources: &mut Sources) -> Result<String, ScenarioError> {
    if source.bytes.len() > SCENARIO_BYTES_MAX {
        let message = format!(
            "the scenario has {} bytes, more than {SCENARIO_BYTES_MAX}",
            source.bytes.len()
        );
        sources.add(source.name.as_str(), "");
        let diagnostic = Diagnostic::new(Span::default(), message, "too large");
        return Err(ScenarioError::new(sources.clone(), vec![diagnostic]));
    }
    match std::str::from_utf8(&source.bytes) {
        // A byte order mark is legal in front of TOML.
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        Err(error) => {
            let valid = String::from_utf8_lossy(&source.bytes[..error.valid_up_to()]);
            let at = valid.len();
            let shown = valid.into_owned() + "\u{fffd}";
            sources.add(source.name.as_str(), shown);
            let span = Span { start: at, end: at + 1 };
            let message = format!("not a text file: byte {at} is not UTF-8");
            let diagnostic = Diagnostic::new(span, message, "not UTF-8")
                .help("a scenario is TOML text in UTF-8");
            Err(ScenarioError::new(sources.clone(), vec![diagnostic]))
        }
    }
}

/// SHA-256 of the text and of what was laid over it.
fn scenario_digest(bytes: &[u8], sets: &[(String, String)]) -> String {
    let mut all = bytes.to_vec();
    for (path, value) in sets {
        all.extend_from_slice(format!("\n--set {path}={value}").as_bytes());
    }
    sha256_hex(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compiled_in_scenario_loads_and_round_trips() {
        for entry in library().iter().chain(negative()) {
            let source = Source::library(entry.name).unwrap();
            let plan = load(&source, &[], 7).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(plan.scenario, entry.name);
            assert!(!entry.question.is_empty() && !entry.expect.is_empty(), "{}", entry.name);
            assert!(!plan.thresholds.is_empty(), "{} has thresholds", entry.name);
            let read = Plan::from_json(&plan.to_json()).unwrap();
            assert_eq!(read, plan);
            assert_eq!(read.to_json(), plan.to_json());
            assert_eq!(read.digest(), plan.digest());
        }
    }
}
