//! A sweep as CSV: a row for each point, units in the titles.

use super::types::{Sweep, word};
use std::io;

/// The file's bytes.
///
/// # Errors
/// Never in practice: memory takes every byte.
pub fn csv(sweep: &Sweep) -> io::Result<Vec<u8>> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut titles: Vec<String> = sweep.keys.clone();
    let title = |name: &str, unit: &str| match unit {
        "" => name.to_owned(),
        unit => format!("{name} [{unit}]"),
    };
    titles.extend(sweep.figures.iter().map(|column| title(&column.name.to_string(), &column.unit)));
    titles.push("verdict".to_owned());
    writer.write_record(&titles)?;
    for point in &sweep.points {
        let mut row = point.values.clone();
        row.extend(
            point.figures.iter().map(|value| value.map_or(String::new(), |one| one.to_string())),
        );
        row.push(word(point.status).to_owned());
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}
