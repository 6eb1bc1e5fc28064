//! A sweep as text for a terminal.

use super::types::{Sweep, word};
use crate::columns::columns;
use crate::text;

/// A row for each point.
#[must_use]
pub fn table(sweep: &Sweep) -> String {
    let mut titles: Vec<String> = sweep.keys.clone();
    titles.extend(sweep.figures.iter().map(|column| column.name.to_string()));
    titles.push("verdict".to_owned());
    let mut rows = vec![titles];
    for point in &sweep.points {
        let mut row = point.values.clone();
        for (column, value) in sweep.figures.iter().zip(&point.figures) {
            row.push(value.map_or("-".to_owned(), |value| text::with_unit(value, &column.unit)));
        }
        row.push(word(point.status).to_owned());
        rows.push(row);
    }
    let mut right = vec![false; sweep.keys.len()];
    right.extend(sweep.figures.iter().map(|_| true));
    right.push(false);
    let seeds = text::counted(sweep.seeds.len() as u64, "seed");
    let cut = sweep.interruption().map_or_else(String::new, |told| format!("{told}\n"));
    format!("{}: medians of {seeds}\n{cut}\n{}", sweep.scenario, columns(&rows, &right))
}
