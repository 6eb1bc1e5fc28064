//! Every planted bug is caught by a checker, in a scenario that is clean without it.

use std::path::Path;
use stormglass_reports::recording::Recording;
use stormglass_scenarios::{Source, load};
use stormglass_sim::{RunOptions, simulate};

fn run(name: &str, plant: Option<&str>) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/negative");
    let text = std::fs::read_to_string(path.join(format!("{name}.toml"))).unwrap();
    let plan = load(&Source::new(name, text), &[], 1).unwrap_or_else(|error| panic!("{error}"));
    let options = RunOptions { plant: plant.map(str::to_owned), ..RunOptions::default() };
    simulate(&plan, options, Box::new(())).unwrap_or_else(|error| panic!("{error}")).recording
}
#[test]
fn x() {
    for v in run("unclean-loss", None).violations {
        println!("{v:?}");
    }
}
