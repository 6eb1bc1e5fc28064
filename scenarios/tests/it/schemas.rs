//! The JSON Schemas, committed: a change of the formats shows in review.

use stormglass_scenarios::{plan_schema, scenario_schema};

#[test]
fn the_scenario_schema_changes_only_on_purpose() {
    insta::assert_json_snapshot!("scenario-schema", scenario_schema());
}

#[test]
fn the_plan_schema_changes_only_on_purpose() {
    insta::assert_json_snapshot!("plan-schema", plan_schema());
}
