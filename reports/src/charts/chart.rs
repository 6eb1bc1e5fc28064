//! A chart, its two forms, and the list of charts of a run.

use super::{bars, brokers, palette, percentiles, traffic};
use crate::recording::Recording;
use crate::result::RunResult;
use stormglass_scenarios::plan::Plan;

/// Height of the title strip that only the stand-alone form shows, canvas pixels.
pub(crate) const TITLE_STRIP: i32 = 70;
/// Left margin that only the stand-alone form shows, canvas pixels.
pub(crate) const MARGIN: i32 = 24;

/// A finished chart.
#[derive(Debug, Clone)]
pub struct Chart {
    /// File name below `charts/` without `.svg`, and anchor in the page.
    pub name: &'static str,
    /// Title.
    pub title: String,
    /// What to see, in a sentence.
    pub caption: String,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) svg: String,
    /// The same for phones, if it was drawn for them.
    pub(crate) narrow: Option<Drawing>,
    /// Values for the page's read-out under the pointer; absent for charts without a time axis.
    pub(crate) readout: Option<String>,
}

/// Width of a drawing for phones: on 350 pixels its labels are as large as they are on a desk.
pub(crate) const NARROW: i32 = 720;

/// A drawing and its size.
#[derive(Debug, Clone)]
pub(crate) struct Drawing {
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) svg: String,
}

impl Chart {
    /// The SVG file: half the canvas's size, on white.
    #[must_use]
    pub fn standalone(&self) -> String {
        let size = (self.width, self.height);
        let attributes = format!("width=\"{}\" height=\"{}\" ", size.0 / 2, size.1 / 2);
        let opening = self.opening(&attributes, (0, 0), size);
        self.reopened(&opening, &self.svg)
    }

    /// The SVG element for a page: as wide as its container, colours from the style sheet, and
    /// without the title, which the page has as text.
    #[must_use]
    pub fn inline(&self) -> String {
        self.inlined((self.width, self.height), &self.svg)
    }

    /// The same for phones.
    #[must_use]
    pub fn inline_narrow(&self) -> Option<String> {
        let drawing = self.narrow.as_ref()?;
        Some(self.inlined((drawing.width, drawing.height), &drawing.svg))
    }

    fn inlined(&self, size: (i32, i32), svg: &str) -> String {
        let opening = self.opening("role=\"img\" ", (MARGIN, TITLE_STRIP), size);
        palette::with_variables(&self.reopened(&opening, svg))
    }

    fn opening(
        &self,
        attributes: &str,
        (left, top): (i32, i32),
        (width, height): (i32, i32),
    ) -> String {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let (title, caption) = (escaped(&self.title), escaped(&self.caption));
        format!(
            "<svg {attributes}viewBox=\"{left} {top} {} {}\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n<title>{title}</title>\n\
             <desc>{caption}</desc>\n",
            width - left,
            height - top
        )
    }

    /// The drawing with another opening tag.
    fn reopened(&self, opening: &str, svg: &str) -> String {
        let body = svg.find(">\n").map_or("", |end| &svg[end + 2..]);
        format!("{opening}{body}")
    }
}

/// All charts of a run, in the order in which the page shows them. A chart without anything to
/// show is left out.
#[must_use]
pub fn draw(plan: &Plan, result: &RunResult, recording: &Recording) -> Vec<Chart> {
    [
        traffic::throughput(plan, result, recording),
        traffic::latency(plan, result, recording),
        percentiles::curve(recording),
        bars::critical_path(result),
        traffic::lag(plan, recording),
        brokers::partitions(plan, result, recording),
        brokers::cpu(plan, result, recording),
        brokers::network(plan, result, recording),
        brokers::disk(plan, result, recording),
        bars::cost(result),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result;
    use crate::testing;

    fn charts() -> Vec<Chart> {
        let (plan, recording) = (testing::plan(), testing::az_outage());
        draw(&plan, &result::build("plan", "model", &plan, &recording), &recording)
    }

    /// Every opening tag is closed in order; attributes are quoted.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(start) = rest.find('<') {
            let end = start + rest[start..].find('>').unwrap();
            let tag = &rest[start + 1..end];
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name.to_owned()));
            } else if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().unwrap().to_owned());
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn every_chart_is_well_formed_in_both_forms() {
        let charts = charts();
        assert_eq!(charts.len(), 10);
        for chart in &charts {
            assert_well_formed(&chart.standalone());
            assert_well_formed(&chart.inline());
            assert!(!chart.caption.is_empty() && chart.caption.ends_with('.'), "{}", chart.name);
            assert!(!chart.inline().contains('#'), "{}: a fixed colour is left", chart.name);
            assert!(!chart.standalone().contains("var("), "{}", chart.name);
        }
    }

    #[test]
    fn labels_say_what_is_drawn() {
        let charts = charts();
        for (name, labels) in [
            ("throughput", &["AZ a lost power", "acknowledged", "MB/s", "warm-up", "60 s"][..]),
            ("latency", &["p99.9", "10 s", "1 ms"][..]),
            ("percentiles", &["99.9 %", "response, heal", "50 %"][..]),
            ("cpu", &["broker 3", "100 %"][..]),
            ("disk", &["Busy", "MB/s"][..]),
            ("partitions", &["under-replicated", "broker 1"][..]),
            ("lag", &["billing", "search"][..]),
            ("critical-path", &["replication", "p99"][..]),
            ("cost", &["kafka.m5.large", "$459.90"][..]),
        ] {
            let svg = charts.iter().find(|chart| chart.name == name).unwrap().standalone();
            for label in labels {
                assert!(svg.contains(label), "{name} without {label}");
            }
        }
    }

    #[test]
    fn drawing_twice_gives_the_same_bytes() {
        let (first, second) = (charts(), charts());
        for (a, b) in first.iter().zip(&second) {
            assert_eq!(a.standalone(), b.standalone());
        }
    }

    #[test]
    fn nothing_recorded_draws_no_empty_frames() {
        let (plan, recording) = (testing::plan(), testing::empty_recording());
        let result = result::build("plan", "model", &plan, &recording);
        let names: Vec<_> =
            draw(&plan, &result, &recording).iter().map(|chart| chart.name).collect();
        assert_eq!(names, ["cost"]);
    }
}
