//! What every page has around its content: head, style, script; and how a chart stands in it.

use crate::charts::Chart;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = concat!(include_str!("readout.js"), include_str!("stacked.js"));

/// A self-contained page around `body`.
pub(crate) fn shell(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - Stormglass" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

/// A chart with its title and caption, and the values for its read-out.
pub(crate) fn figure(chart: &Chart) -> Markup {
    html! {
        figure id={ "chart-" (chart.name) } {
            figcaption {
                h3 { (chart.title) }
                p { (nbsp(&chart.caption)) }
            }
            @let narrow = chart.inline_narrow();
            div class={ "drawing" @if narrow.is_some() { " wide" } }
                tabindex="0" role="region" aria-label=(chart.title)
            {
                (PreEscaped(chart.inline()))
            }
            @if let Some(narrow) = narrow {
                div.drawing.narrow role="region" aria-label=(chart.title) { (PreEscaped(narrow)) }
            }
            @if let Some(readout) = &chart.readout {
                script type="application/json" { (PreEscaped(readout.replace('<', "\\u003c"))) }
            }
        }
    }
}

/// A number and its percent sign stay on one line.
fn nbsp(text: &str) -> String {
    text.replace(" %", "\u{a0}%")
}
