//! `stormglass schema`: the JSON Schemas, as committed.

use crate::args::Schema;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use stormglass_reports::hunt::hunt_schema;
use stormglass_reports::result::result_schema;
use stormglass_scenarios::suite::suite_schema;
use stormglass_scenarios::{plan_schema, scenario_schema};

/// Prints one schema, or all of them as one object.
pub(super) fn schema(of: Option<Schema>, output: Output) -> Result<Exit, Failure> {
    let document = match of {
        Some(Schema::Scenario) => scenario_schema(),
        Some(Schema::Plan) => plan_schema(),
        Some(Schema::Result) => result_schema(),
        Some(Schema::Suite) => suite_schema(),
        Some(Schema::Hunt) => hunt_schema(),
        None => serde_json::json!({
            "scenario": scenario_schema(),
            "plan": plan_schema(),
            "result": result_schema(),
            "suite": suite_schema(),
            "hunt": hunt_schema(),
        }),
    };
    output.json(&document)?;
    Ok(Exit::Ok)
}
