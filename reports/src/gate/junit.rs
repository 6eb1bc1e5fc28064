//! The verdict as JUnit XML: a suite per scenario, a case per limit, threshold and promise.

use super::text::{attribution, threshold_reason};
use super::types::{CheckReport, GateReport};

/// A case: name and, if it failed, message and text.
struct Case {
    name: String,
    failure: Option<(String, String)>,
}

/// The document.
#[must_use]
pub fn junit(report: &GateReport) -> String {
    let suites: Vec<(&CheckReport, Vec<Case>)> =
        report.checks.iter().map(|check| (check, cases(check))).collect();
    let failed = |cases: &[Case]| cases.iter().filter(|case| case.failure.is_some()).count();
    let (tests, failures) = suites.iter().fold((0, 0), |(tests, failures), (_, cases)| {
        (tests + cases.len(), failures + failed(cases))
    });
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = escaped(&report.suite);
    xml.push_str(&format!(
        "<testsuites name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">\n"
    ));
    for (check, cases) in &suites {
        let suite = escaped(&format!("{}.{}", report.suite, check.name));
        xml.push_str(&format!(
            "  <testsuite name=\"{suite}\" tests=\"{}\" failures=\"{}\">\n",
            cases.len(),
            failed(cases)
        ));
        for case in cases {
            xml.push_str(&case_xml(&suite, &escaped(&report.file), case));
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case_xml(suite: &str, file: &str, case: &Case) -> String {
    let name = escaped(&case.name);
    let open = format!("    <testcase classname=\"{suite}\" name=\"{name}\" file=\"{file}\"");
    match &case.failure {
        None => format!("{open}/>\n"),
        Some((message, text)) => format!(
            "{open}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
            escaped(message),
            escaped(text)
        ),
    }
}

fn cases(check: &CheckReport) -> Vec<Case> {
    let mut cases = Vec::new();
    let explained = || {
        let mut lines = attribution(check);
        lines.push(check.command.clone());
        lines.join("\n")
    };
    if let Some(reason) = &check.not_comparable {
        let failure = Some((reason.clone(), check.command.clone()));
        cases.push(Case { name: "comparable".to_owned(), failure });
    }
    for limit in &check.limits {
        let name = limit.label();
        let failure = (!limit.outcome.is_good()).then(|| (limit.reason.clone(), explained()));
        cases.push(Case { name, failure });
    }
    for threshold in &check.thresholds {
        let name = format!("{} {} in {}", threshold.metric, threshold.text, threshold.phase);
        let is_missed = !threshold.missed_by.is_empty();
        let failure = is_missed.then(|| (threshold_reason(threshold), check.command.clone()));
        cases.push(Case { name, failure });
    }
    let broken =
        (!check.broken.is_empty()).then(|| (check.broken.join("; "), check.command.clone()));
    cases.push(Case { name: "promises kept".to_owned(), failure: broken });
    cases
}

/// Text of an element or an attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            // XML 1.0 has no other control characters, not even escaped.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
