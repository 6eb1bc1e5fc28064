//! Bills: to the cent, of clusters, scenarios, plans and runs.

use crate::common::{Place, scenario};

/// Three small brokers at $0.05 an hour for 30 days, and 100 GB at $0.10: the worked example.
const WORKED_EXAMPLE: [&str; 13] = [
    "cost",
    "--instance",
    "kafka.t3.small",
    "--brokers",
    "3",
    "--storage",
    "100 GiB",
    "--month",
    "30d",
    "--price",
    "broker-hour=0.05",
    "--price",
    "storage-gb-month=0.10",
];

#[test]
fn the_worked_example_comes_out_to_the_cent() {
    let place = Place::new();
    insta::assert_snapshot!(place.expect(0, &WORKED_EXAMPLE).stdout);
    let bill = place.expect(0, &[&WORKED_EXAMPLE[..], &["--json"]].concat()).stdout;
    for amount in ["\"amount_usd\": 108.00", "\"amount_usd\": 10.00", "\"total_usd\": 118.00"] {
        assert!(bill.contains(amount), "{amount}\n{bill}");
    }
}

#[test]
fn without_a_price_what_cannot_be_simulated_is_refused() {
    let called = Place::new().expect(5, &WORKED_EXAMPLE[..5]);
    assert!(called.stderr.contains("not offer kafka.t3.small in KRaft mode"), "{}", called.stderr);
    assert!(called.stderr.contains("--price broker-hour=USD"), "{}", called.stderr);
}

#[test]
fn a_scenario_and_its_plan_cost_the_same() {
    let place = Place::new();
    let short = scenario("short");
    place.expect(0, &["run", &short, "--out", "a"]);
    let of_scenario = place.expect(0, &["cost", &short]).stdout;
    assert_eq!(of_scenario, place.expect(0, &["cost", "a/plan.json"]).stdout);
    let more = place.expect(0, &["cost", &short, "--set", "cluster.brokers=6", "--json"]).json();
    let less = place.expect(0, &["cost", &short, "--json"]).json();
    let total = |bill: &serde_json::Value| bill["total_usd"].as_f64().unwrap();
    assert!((total(&more) - 2.0 * total(&less)).abs() < 0.005, "{more} {less}");
}

#[test]
fn a_runs_bill_includes_its_traffic_and_can_be_priced_again() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    let bill = place.expect(0, &["cost", "./a", "--json"]).json();
    let result: serde_json::Value = serde_json::from_str(&place.read("a/result.json")).unwrap();
    assert_eq!(bill, result["cost"]);
    let lines = |bill: &serde_json::Value| bill["lines"].as_array().unwrap().len();
    let words = ["cost", "a", "--price", "cross-az-gb=2", "--json"];
    let dearer = place.expect(0, &words).json();
    assert_eq!(lines(&dearer), lines(&bill));
    assert!(lines(&bill) > 2, "brokers, storage, and traffic across AZs: {bill}");
    let total = |bill: &serde_json::Value| bill["total_usd"].as_f64().unwrap();
    assert!(total(&dearer) > total(&bill));
}

#[test]
fn a_finished_run_cannot_be_changed() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    let called = place.expect(2, &["cost", "a", "--set", "cluster.brokers=6"]);
    assert!(called.stderr.contains("comes too late"), "{}", called.stderr);
}

#[test]
fn the_sizing_scripts_totals_come_out_to_the_cent() {
    let rate = ["--ingress", "100 MiB/s", "--egress", "200 MiB/s", "--replicas", "1000"];
    let place = Place::new();
    let report = place.expect(0, &[&["cost"][..], &rate, &["--json"]].concat()).stdout;
    for total in ["11703.67", "12163.58", "11164.93", "12058.45", "9512.59", "10406.11"] {
        assert!(report.contains(&format!("\"monthly_usd\": {total}")), "{total}");
    }
    let text = place.expect(0, &[&["cost"][..], &rate].concat()).stdout;
    assert!(text.contains("9 x express.m7g.large"), "{text}");
    assert!(text.contains("the replication factor does not enter"), "quirks are reported");
}

#[test]
fn a_scenario_is_priced_elsewhere_with_the_limits_it_would_hit() {
    let place = Place::new();
    let found = place.expect(0, &["cost", "reference", "--alternatives", "--json"]).json();
    let bill = place.expect(0, &["cost", "reference", "--json"]).json();
    assert_eq!(found["bill"], bill);
    let all = found["alternatives"].as_array().unwrap();
    let find = |name: &str| {
        all.iter().find(|one| one["name"].as_str().unwrap().starts_with(name)).unwrap()
    };
    // 100 MB/s are more than the 40 units of 1 MB/s that Event Hubs Standard has.
    let hubs = find("Event Hubs Standard");
    assert_eq!(hubs["fits"], false);
    let first = &hubs["limits"][0];
    assert_eq!((&first["needed"], &first["limit"]), (&100.into(), &40.into()));
    assert_eq!(find("Self-managed, 3 x m7g.2xlarge")["bill"]["complete"], true);
    let saves = found["savings"].as_array().unwrap();
    assert!(saves.iter().any(|one| one["change"].as_str().unwrap().contains("client.rack")));
    for line in all.iter().flat_map(|one| one["bill"]["lines"].as_array().unwrap()) {
        assert!(!line["source"].as_str().unwrap().is_empty(), "{line}");
    }
    let text = place.expect(0, &["cost", "reference", "--alternatives"]).stdout;
    let elsewhere = text.split("The same workload elsewhere").nth(1).unwrap();
    let table = elsewhere.split("\nWhat would save money").next().unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| !line.starts_with('[')).collect();
    assert!(rows.len() > 8 && rows.iter().all(|row| row.contains(" [")), "{table}");
    assert!(table.contains("\n[1] "), "{table}");
    assert!(text.contains("passed: 100 of 40 TUs"), "{text}");
    // What is no saving has a reason, and what is one has sources.
    let nothing = text.split("\nWhat would save nothing here:\n").nth(1).unwrap();
    assert!(nothing.contains("- another instance family: "), "{nothing}");
    assert!(saves.iter().all(|one| !one["sources"].as_array().unwrap().is_empty()), "{saves:#?}");
    assert!(!found["at_load"]["sources"].as_array().unwrap().is_empty());
    place.expect(2, &["cost", "--instance", "kafka.m7g.large", "--brokers", "3", "--alternatives"]);
}

#[test]
fn a_file_of_prices_replaces_the_catalogues() {
    let place = Place::new();
    place.write(
        "prices.toml",
        "[[prices]]\nmeter = \"broker-hour\"\nusd = \"1\"\nsource = \"our contract\"\n\
         [[prices]]\nmeter = \"serverless-cluster-hour\"\nusd = \"2\"\n",
    );
    let words = ["cost", "steady", "--prices", "prices.toml", "--alternatives", "--json"];
    let found = place.expect(0, &words).json();
    assert_eq!(found["bill"]["lines"][0]["source"], "our contract");
    let all = found["alternatives"].as_array().unwrap();
    let serverless = all.iter().find(|one| one["name"] == "MSK Serverless").unwrap();
    assert_eq!(serverless["bill"]["lines"][0]["amount_usd"], 1460.0);
    place.write("broken.toml", "[[prices]]\nmeter = \"broker-hour\"\nusd = 1\n");
    let called = place.expect(5, &["cost", "steady", "--prices", "broken.toml"]);
    assert!(called.stderr.contains("broken.toml:3: "), "{}", called.stderr);
    place.write("unknown.toml", "[[prices]]\nmeter = \"made-up\"\nusd = \"1\"\n");
    place.expect(2, &["cost", "steady", "--prices", "unknown.toml"]);
}

#[test]
fn another_region_has_its_own_prices_and_says_what_it_lacks() {
    let place = Place::new();
    let here = ["cost", "steady", "--set", "cluster.instance=kafka.m7g.large", "--json"];
    let words = [&here[..], &["--set", "cluster.region=ap-southeast-1"]].concat();
    let (home, away) = (place.expect(0, &here).json(), place.expect(0, &words).json());
    assert_eq!(home["lines"][0]["unit_price_usd"], 0.204);
    assert_eq!(away["lines"][0]["unit_price_usd"], 0.255);
    assert_eq!((&home["complete"], &away["complete"]), (&true.into(), &false.into()));
    assert!(away["notes"].to_string().contains("storage-gb-month"), "{away}");
}

#[test]
fn express_is_priced_by_flags_and_nothing_is_no_load() {
    let place = Place::new();
    let words =
        ["cost", "--instance", "express.m7g.large", "--brokers", "3", "--storage", "500 GB"];
    let bill = place.expect(0, &words).stdout;
    // 3 x 730 h x $0.408, and 500 GB x $0.10.
    assert!(bill.contains("943.52") && bill.contains("What comes in is billed, too"), "{bill}");
    let called = place.expect(2, &["cost", "--ingress", "0 MB/s"]);
    assert!(called.stderr.contains("is no load"), "{}", called.stderr);
    place.expect(2, &["cost", "--ingress", "1 MB/s", "--record-size", "0 B"]);
    let twice = "[[prices]]\nmeter = \"broker-hour\"\nusd = \"1\"\n";
    place.write("p.toml", twice.repeat(2));
    let called = place.expect(5, &["cost", "steady", "--prices", "p.toml"]);
    assert!(called.stderr.contains("two prices of `broker-hour`"), "{}", called.stderr);
}

#[test]
fn gp3_iops_are_billed_as_provisioned_whatever_the_instance_lets_through() {
    let place = Place::new();
    let standard = std::fs::read_to_string(scenario("short")).unwrap();
    let own = standard
        .replace("msk-standard", "self-managed")
        .replace("kafka.m7g.large", "m5.large")
        .replace(
            "storage.size = \"100 GiB\"",
            "storage.size = \"100 GiB\"\nstorage.type = \"gp3\"",
        );
    place.write("own.toml", own);
    let words = ["cost", "own.toml", "--set", "cluster.storage.iops=16000", "--json"];
    let bill = place.expect(0, &words).json();
    let lines = bill["lines"].as_array().unwrap();
    let iops = lines.iter().find(|line| line["item"].as_str().unwrap().starts_with("gp3 IOPS"));
    // 13,000 more than every volume has, three times.
    assert_eq!(iops.unwrap()["quantity"].as_f64(), Some(39_000.0));
}

#[test]
fn what_plan_has_found_is_no_plan_of_a_run() {
    let place = Place::new();
    let cluster = r#"{ "kind": "msk-standard", "instance": "kafka.m7g.large", "brokers": 3, "storage_gib": 334 }"#;
    let found = format!(
        "{{\"schema_version\": 5, \"requirements\": {{}}, \"fits\": [{{\"cluster\": {cluster}}}], \"misses\": []}}"
    );
    std::fs::create_dir(place.path("p")).unwrap();
    place.write("p/plan.json", found);
    for words in [&["cost", "p/plan.json"][..], &["cost", "./p"], &["replay", "p"]] {
        let called = place.expect(5, words);
        assert!(called.stderr.contains("is what `stormglass plan` has found"), "{}", called.stderr);
        let command = "stormglass cost --instance kafka.m7g.large --brokers 3 --storage '1002 GiB'";
        assert!(called.stderr.contains(command), "{}", called.stderr);
    }
    let priced =
        ["cost", "--instance", "kafka.m7g.large", "--brokers", "3", "--storage", "1002 GiB"];
    place.expect(0, &priced);
}
