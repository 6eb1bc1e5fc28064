//! docs/planted-bugs.md: the table goes between two marks, what was written by hand stays.

use super::rows::{Row, Rows};
use crate::ci::{root, today};
use std::fmt::Write as _;
use std::fs;

const BEGIN: &str = "<!-- written by `cargo xtask planted` -->\n";
const END: &str = "<!-- end -->\n";

/// Puts a table into the page.
pub(super) fn write(table: &str) -> Result<(), String> {
    let path = root().join("docs/planted-bugs.md");
    let page = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let cut = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let Some((head, tail)) = cut else {
        return Err(format!("{} has no place for the table", path.display()));
    };
    let page = format!("{head}{BEGIN}{table}{END}{tail}");
    fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("docs/planted-bugs.md is written");
    Ok(())
}

fn median(mut numbers: Vec<u64>) -> String {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).map_or("-".to_owned(), u64::to_string)
}

/// What was measured, and by which command.
pub(super) fn table(rows: &Rows, command: &str) -> String {
    let all = rows.all();
    let found: Vec<&Row> = all.iter().filter(|row| row.shown > 0).collect();
    let mut table = String::new();
    let _ = writeln!(
        table,
        "Measured on {} with `{command}`: **{} of {} found**. For the median bug that was found half \
         of all hunts need {} seeds; counted from seed 1, the median first seed is {}. {} seeds in all, \
         {:.2} CPU s each.\n",
        today(),
        found.len(),
        all.len(),
        median(found.iter().filter_map(|row| row.median_seeds()).collect()),
        median(found.iter().filter_map(|row| row.first).collect()),
        all.iter().map(|row| row.seeds).sum::<u64>(),
        all.iter().map(|row| row.cpu_s).sum::<f64>()
            / all.iter().map(|row| row.seeds).sum::<u64>().max(1) as f64,
    );
    table.push_str(
        "| bug | seeds that show it | first | median seeds | CPU s to find | checkers that fired | \
         events after shrinking |\n|---|---|---|---|---|---|---|\n",
    );
    for row in all {
        let or_none = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let per_seed_s = row.cpu_s / row.seeds.max(1) as f64;
        let cpu = row.median_seeds().map(|seeds| format!("{:.1}", seeds as f64 * per_seed_s));
        let _ = writeln!(
            table,
            "| {} | {} of {} | {} | {} | {} | {} | {} |",
            row.name,
            row.shown,
            row.seeds,
            or_none(row.first),
            or_none(row.median_seeds()),
            cpu.unwrap_or("-".to_owned()),
            row.checkers(),
            or_none(row.shrunk)
        );
    }
    table
}
