//! What the README promises: its scenario, its example of a bill, its commands.

use crate::common::Place;

const README: &str = include_str!("../README.md");

/// The first block of code in that language.
fn block(language: &str, containing: &str) -> &'static str {
    let open = format!("```{language}\n");
    let blocks = README.split(open.as_str()).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.into_iter().find(|block| block.contains(containing)).unwrap()
}

#[test]
fn the_scenario_can_be_run() {
    let place = Place::new();
    place.write("mine.toml", block("toml", "[cluster]"));
    let bill = place.expect(0, &["cost", "mine.toml", "--json"]).json();
    assert_eq!(bill["complete"], true);
}

#[test]
fn the_example_of_a_bill_is_right() {
    let line = block("sh", "stormglass cost").replace("\\\n", " ").replace("'100 GiB'", "100_GiB");
    let words: Vec<String> =
        line.split_whitespace().skip(1).map(|word| word.replace('_', " ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let bill = Place::new().expect(0, &words).stdout;
    assert!(bill.contains("118.00"), "{bill}");
}

#[test]
fn the_table_has_every_command_and_no_other() {
    let help = Place::new().expect(0, &["--help"]).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands =
        commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let mut helped: Vec<&str> =
        commands.filter_map(|line| line.split_whitespace().next()).collect();
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `stormglass "));
    let mut tabled: Vec<&str> = rows.filter_map(|row| row.split([' ', '`']).next()).collect();
    helped.sort_unstable();
    tabled.sort_unstable();
    assert_eq!(helped, tabled);
}
