//! The page's order: answer, story, charts, numbers, safety, cost, assumptions, how to repeat it.

use super::shell::{figure, shell};
use super::{facts, money, numbers, story, verdict};
use crate::charts::Chart;
use crate::run_dir::ReportInput;
use maud::{Markup, html};

/// The whole page.
#[must_use]
pub fn page(input: &ReportInput<'_>, charts: &[Chart]) -> String {
    let result = input.result;
    let (of_cost, over_time): (Vec<&Chart>, Vec<&Chart>) =
        charts.iter().partition(|chart| chart.name == "cost");
    let body = html! {
        (verdict::banner(input))
        (navigation())
        main {
            (verdict::key_figures(result))
            (verdict::thresholds(result))
            (facts::violations(result))
            (story::section(input))
            section id="charts" {
                h2 { "Charts" }
                p { "A red band is a fault, dashed verticals part the phases. A line \
                     breaks off where nothing was completed in a second, or while a \
                     broker is down. Point at a chart over time to read its values." }
                (contents(&over_time))
                @for chart in over_time { (figure(chart)) }
            }
            (numbers::section(result))
            (facts::checkers(result))
            (money::section(result, of_cost.first().map(|chart| figure(chart))))
            (facts::assumptions(result))
            (reproduce(input))
        }
    };
    shell(&format!("{}, seed {}", result.scenario.name, result.seed), &body)
}

fn navigation() -> Markup {
    let links = [
        ("story", "What happened"),
        ("charts", "Charts"),
        ("numbers", "Numbers"),
        ("safety", "Safety"),
        ("cost", "Cost"),
        ("assumptions", "Assumptions"),
        ("reproduce", "Reproduce"),
    ];
    html! {
        nav aria-label="Sections" {
            @for (anchor, name) in links { a href={ "#" (anchor) } { (name) } }
        }
    }
}

fn contents(charts: &[&Chart]) -> Markup {
    html! {
        ul.contents {
            @for chart in charts {
                li { a href={ "#chart-" (chart.name) } { (chart.title) } }
            }
        }
    }
}

fn reproduce(input: &ReportInput<'_>) -> Markup {
    let result = input.result;
    let rows = [
        ("Scenario digest", &result.scenario.digest),
        ("Plan digest", &result.plan_digest),
        ("Model digest", &result.model_digest),
        ("Event hash", &result.event_hash),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    html! {
        section id="reproduce" {
            h2 { "Reproduce" }
            @if result.is_simulated() {
                p { "The same version, scenario and seed give the same " code { "result.json" }
                    " and this page, byte for byte. How long the run took is in " code { "run.json" }
                    "." }
            } @else {
                p { "Measured on a real cluster: the next time it will be a little different." }
            }
            pre.command { code { (input.command) } }
            dl.digests {
                @for (name, value) in rows { dt { (name) } dd { code { (value) } } }
                dt { "Stormglass" } dd { (result.version) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts;
    use crate::recording::Recording;
    use crate::result;
    use crate::run_dir::RunInfo;
    use crate::testing;
    use std::time::Duration;

    fn of(change: impl FnOnce(&mut Recording)) -> String {
        let (mut plan, mut recording) = (testing::plan(), testing::az_outage());
        change(&mut recording);
        plan.question = "Is 1 < 2 & <script>alert(1)</script>?".to_owned();
        let result = result::build("plan", "model", &plan, &recording);
        let info = RunInfo::new(Duration::from_secs(8), recording.sim_ns, 9, None, "test");
        let input = ReportInput {
            plan: &plan,
            result: &result,
            recording: &recording,
            run_info: &info,
            plan_json: "{}\n",
            command: "stormglass run az-outage --seed 7",
        };
        page(&input, &charts::draw(&plan, &result, &recording))
    }

    #[test]
    fn the_page_needs_no_network() {
        let page = of(|_| {});
        for forbidden in ["src=", "@import", "url(", "<link", "fetch(", "XMLHttp"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let addresses = page.replace("http://www.w3.org/2000/svg", "");
        let links = addresses.matches("href=\"http").count();
        assert_eq!(addresses.matches("\"http").count(), links, "only what a reader clicks");
    }

    #[test]
    fn a_scenarios_text_cannot_become_markup() {
        let page = of(|_| {});
        assert!(!page.contains("<script>alert"));
        assert!(page.contains("Is 1 &lt; 2 &amp; &lt;script&gt;"));
    }

    #[test]
    fn everything_that_a_planner_asks_is_there() {
        let page = of(|_| {});
        for text in [
            "stormglass run az-outage --seed 7",
            "20 partitions elected a new leader",
            "AZ a lost power",
            "no-acked-loss",
            "kafka.m5.large",
            "AWS price list, us-east-1",
            "controller.session_timeout_ns",
            "The CPU model was calibrated up to 80 % use",
            "p(99) &lt; 50ms",
            "9.70 s",
        ] {
            assert!(page.contains(text), "{text}");
        }
        assert_eq!(page.matches("<figure").count(), 10);
        assert_eq!(page.matches("<figcaption").count(), 10);
    }

    #[test]
    fn a_broken_promise_is_told_in_full() {
        let page = of(|recording| recording.violations = testing::violations());
        assert!(page.contains("A promise was broken"));
        assert!(page.contains("leader 1 (epoch 5) acknowledged before broker 3 had fetched"));
        assert!(!of(|_| {}).contains("A promise was broken"));
    }

    #[test]
    fn a_month_is_said_to_carry_on_what_was_measured() {
        let page = of(|_| {});
        let note = "<p class=\"note\">730 hours at this run's average load, storm included</p>";
        assert!(page.contains(note));
    }

    #[test]
    fn an_empty_recording_still_makes_a_page() {
        let page = of(|recording| *recording = testing::empty_recording());
        assert!(page.contains("Nothing was recorded"));
    }
}
