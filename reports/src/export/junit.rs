//! The verdict of a run as JUnit XML: a case per threshold and per promise.

use crate::gate::escaped;
use crate::result::{RunResult, ThresholdResult};

/// The document.
pub(super) fn document(result: &RunResult) -> String {
    let suite = escaped(&result.scenario.name);
    let cases: Vec<(String, Option<String>)> = thresholds(result).chain(promises(result)).collect();
    let failures = cases.iter().filter(|(_, failure)| failure.is_some()).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\"", cases.len());
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"stormglass\" {counts}>\n  \
         <testsuite name=\"{suite}\" {counts}>\n"
    );
    for (name, failure) in &cases {
        let open = format!("    <testcase classname=\"{suite}\" name=\"{}\"", escaped(name));
        match failure {
            None => xml.push_str(&format!("{open}/>\n")),
            Some(reason) => xml.push_str(&format!(
                "{open}>\n      <failure message=\"{}\"/>\n    </testcase>\n",
                escaped(reason)
            )),
        }
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn thresholds(result: &RunResult) -> impl Iterator<Item = (String, Option<String>)> {
    result.thresholds.iter().map(|threshold| {
        let name = format!("{} {} in {}", threshold.metric, threshold.text, threshold.phase);
        (name, (!threshold.passed).then(|| missed(threshold)))
    })
}

fn missed(threshold: &ThresholdResult) -> String {
    let unit = &threshold.unit;
    match threshold.actual {
        Some(actual) => format!("{actual} {unit} against a limit of {} {unit}", threshold.limit),
        None => "nothing was measured".to_owned(),
    }
}

fn promises(result: &RunResult) -> impl Iterator<Item = (String, Option<String>)> {
    result.checkers.iter().map(|checker| {
        let accounts: Vec<&str> = result
            .violations
            .iter()
            .filter(|violation| violation.checker == checker.name)
            .map(|violation| violation.account.as_str())
            .collect();
        let failure = (checker.violations > 0).then(|| accounts.join("; "));
        (format!("{}: {}", checker.name, checker.promise), failure)
    })
}
