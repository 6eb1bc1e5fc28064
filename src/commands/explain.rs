//! `stormglass explain`: where the time of a produce request goes, by percentile.

use super::load::result_file;
use crate::args::{Band, Explain};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, columns};
use stormglass_reports::result::{Milli, PathBand};

/// A part's name and how it is read.
type Part = (&'static str, fn(&PathBand) -> Milli);

/// Parts of a request's time, in the order in which they pass.
const PARTS: [Part; 9] = [
    ("client queue", |band| band.client_queue_ms),
    ("network", |band| band.network_ms),
    ("cpu queue", |band| band.cpu_queue_ms),
    ("cpu", |band| band.cpu_ms),
    ("disk", |band| band.disk_ms),
    ("replication", |band| band.replication_ms),
    ("purgatory", |band| band.purgatory_ms),
    ("response", |band| band.response_ms),
    ("total", |band| band.total_ms),
];

/// Prints the split.
pub(super) fn explain(args: &Explain, output: Output) -> Result<Exit, Failure> {
    let result = result_file(&args.result)?;
    let wanted = args.band.map(name);
    let bands: Vec<&PathBand> = result
        .critical_path
        .iter()
        .filter(|band| wanted.is_none_or(|wanted| band.band == wanted))
        .collect();
    let shown = if output.is_json() {
        output.json(&bands)
    } else if bands.is_empty() {
        output.text("no request was sampled\n")
    } else {
        output.text(&table(&bands))
    };
    shown?;
    Ok(Exit::Ok)
}

const fn name(band: Band) -> &'static str {
    match band {
        Band::All => "all",
        Band::P50 => "p50",
        Band::P90 => "p90",
        Band::P99 => "p99",
        Band::Max => "max",
    }
}

fn table(bands: &[&PathBand]) -> String {
    let titles = std::iter::once("ms".to_owned()).chain(bands.iter().map(|band| band.band.clone()));
    let mut rows = vec![titles.collect::<Vec<_>>()];
    for (part, of) in PARTS {
        let cells = bands.iter().map(|band| of(band).to_string());
        rows.push(std::iter::once(part.to_owned()).chain(cells).collect());
    }
    let samples = bands.iter().map(|band| band.samples.to_string());
    rows.push(std::iter::once("samples".to_owned()).chain(samples).collect());
    let mut right = vec![true; bands.len() + 1];
    right[0] = false;
    format!(
        "{}\nMeans over sampled requests near each percentile; the parts add up to the total.\n",
        columns(&rows, &right)
    )
}
