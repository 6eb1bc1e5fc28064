//! `stormglass plan`: the cheapest cluster that stands what it must.

use crate::common::{Called, Place};

/// A load so small that a build without optimisation simulates it in seconds.
const SMALL: [&str; 9] = [
    "plan",
    "--ingress",
    "100 KB/s",
    "--instance",
    "kafka.m7g.large",
    "--retention",
    "1h",
    "--survive",
    "none,az,rolling",
];

#[test]
fn a_small_load_fits_the_smallest_cluster_and_is_known_the_next_time() {
    let place = Place::new();
    let mut words = SMALL.to_vec();
    words.extend(["--p99", "100ms", "--brokers-max", "6", "--growth", "10%", "--json"]);
    let first = place.expect(0, &words).json();
    let fit = &first["fits"][0];
    assert_eq!((&fit["cluster"]["brokers"], &fit["fits"]), (&3.into(), &true.into()), "{fit:#}");
    let states: Vec<&str> = fit["states"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["az", "none", "rolling"], "the hardest first");
    // Detection takes nine seconds: the gap is there, the settled state does not show it.
    let az = &fit["states"][0];
    assert!(az["longest_gap_ms"].as_f64().unwrap() > 5_000.0, "{az:#}");
    assert!(az["p99_ms"].as_f64().unwrap() < 100.0, "{az:#}");
    assert!(fit["headroom"]["holds_at"].as_f64().unwrap() >= 1.0);
    let verified = &fit["headroom"]["verified"];
    assert_eq!(verified["holds_below"], true, "{fit:#}");
    let loads: Vec<u64> = fit["curve"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["load_permille"].as_u64().unwrap())
        .collect();
    assert!(loads.is_sorted() && loads[0] == 500 && loads.contains(&1000), "{loads:?}");
    // The smallest volumes hold a thousand times what an hour of this brings; at 10 % a year, that
    // is there in 72 years.
    let months = fit["growth"]["volume_months"].as_f64().unwrap();
    assert!((860.0..880.0).contains(&months), "{months}");
    // Two thirds of what comes in and goes out cross AZs: 2 x 66.7 KB/s for 730 h at two cents.
    let traffic = fit["cluster"]["traffic_usd"].as_f64().unwrap();
    assert!((6.9..7.1).contains(&traffic), "{traffic}");
    let bill = fit["bill"].as_array().unwrap();
    assert!(bill.iter().all(|line| !line["source"].as_str().unwrap().is_empty()), "{bill:#?}");
    assert_eq!(
        (&first["formulas"][0]["simulated"], &first["formulas"][0]["equation_1"]),
        (&3.into(), &3.into())
    );
    assert!(first["runs"].as_u64().unwrap() >= 3);
    let mut again = place.expect(0, &words).json();
    assert_eq!(again["runs"], 0, "all of it is known");
    again["runs"] = first["runs"].clone();
    assert_eq!(again, first);
    let page = place.read("stormglass-out/plan/index.html");
    assert!(page.contains("3 x kafka.m7g.large"));
}

#[test]
fn what_another_build_found_is_not_known() {
    let place = Place::new();
    let words = ["plan", "--ingress", "100 KB/s", "--instance", "kafka.m7g.large", "--retention"];
    let words = [&words[..], &["1h", "--survive", "none", "--brokers-max", "3", "--json"]].concat();
    let first = place.expect(0, &words).json();
    // Bytes after the end of an executable change nothing but its digest.
    let mut bytes = std::fs::read(env!("CARGO_BIN_EXE_stormglass")).unwrap();
    bytes.push(0);
    place.write("other", bytes);
    let status = std::process::Command::new("chmod").arg("755").arg(place.path("other")).status();
    assert!(status.unwrap().success());
    let mut other = std::process::Command::new(place.path("other"));
    let output = other.args(&words).current_dir(place.path("")).output().unwrap();
    let again = Called::new(output).json();
    assert_eq!(again["runs"], first["runs"], "all of it is simulated again");
    assert_eq!(place.expect(0, &words).json()["runs"], 0, "and its own is still known");
}

#[test]
fn nine_tenths_of_the_stated_headroom_hold_and_thirteen_tenths_break() {
    let place = Place::new();
    // Large records: much to carry with few events.
    let words = [
        "plan",
        "--ingress",
        "60 MB/s",
        "--record-size",
        "500 KB",
        "--instance",
        "kafka.m7g.large",
        "--brokers-max",
        "3",
        "--retention",
        "1h",
        "--survive",
        "none,az",
        "--p99",
        "100ms",
        "--json",
    ];
    let report = place.expect(0, &words).json();
    let headroom = &report["fits"][0]["headroom"];
    let verified = &headroom["verified"];
    assert_eq!(verified["holds_below"], true, "{headroom:#}");
    assert_eq!(verified["breaks_above"], true, "{headroom:#}");
    assert!(verified["reason_above"].is_string() && verified["reason_below"].is_null());
    let of = |key: &str| headroom[key].as_f64().unwrap();
    let (holds, breaks) = (of("holds_at"), of("breaks_at"));
    assert!(holds >= 1.0 && breaks > holds && breaks < holds * 1.1, "{headroom:#}");
    // A volume takes 78.75 MB/s: the page cache hides it for a while, arithmetic does not.
    assert!(holds < 78.75 / 60.0, "{headroom:#}");
}

#[test]
fn nothing_fits_is_exit_7_with_the_nearest_miss() {
    let place = Place::new();
    let mut words = SMALL.to_vec();
    words.extend(["--p99", "100us", "--brokers-max", "3"]);
    let called = place.expect(7, &words);
    assert!(called.stdout.contains("No cluster meets it. Nearest: 3 x kafka.m7g.large, az"));
    assert!(called.stdout.contains("not below 0.10 ms"), "{}", called.stdout);
    assert!(Called::last_line(&called.stderr).starts_with("stormglass plan --ingress"));
}

#[test]
fn arithmetic_alone_rules_out_what_cannot_be() {
    let place = Place::new();
    let words = ["plan", "--ingress", "5 GB/s", "--instance", "kafka.m7g.large", "--json"];
    let report = place.expect(7, &words).json();
    assert_eq!((&report["runs"], &report["cut_by_bounds"]), (&0.into(), &10.into()));
}

#[test]
fn requirements_that_make_no_sense_are_refused() {
    let place = Place::new();
    for (words, expected) in [
        (&["plan"][..], "--ingress"),
        (&["plan"], "--curve"),
        (&["plan"], "--requirements"),
        (&["plan", "--ingress", "-5 MB/s"], "a rate in bytes cannot be negative"),
        (&["plan", "--ingress", "10 MB/s", "--growth", "-5%"], "a share cannot be negative"),
        (&["plan", "--ingress", "100"], "has no unit"),
        (&["plan", "--ingress", "10 MB/s", "--egress", "15 MB/s"], "no multiple"),
        (&["plan", "--ingress", "10 MB/s", "--peak", "0.5"], "no factor"),
        (&["plan", "--ingress", "0 B/s"], "no load to plan for"),
        (&["plan", "--ingress", "10 MB/s", "--record-size", "0 B"], "--record-size 0 is"),
        (&["plan", "--ingress", "10 MB/s", "--retention", "0s"], "--retention 0 is"),
        (&["plan", "--ingress", "10 MB/s", "--p99", "0ms"], "--p99 0 is"),
        (&["plan", "--ingress", "10 MB/s", "--survive", "flood"], "possible values"),
        (&["plan", "--ingress", "10 MB/s", "--instance", "m9.huge"], "no instance type"),
        (
            &["plan", "--ingress", "10 MB/s", "--instance", "m7g.large", "--kind", "standard"],
            "m7g.large is self-managed",
        ),
    ] {
        let called = place.expect(2, words);
        assert!(called.stderr.contains(expected), "{words:?}\n{}", called.stderr);
    }
}

#[test]
fn what_no_cluster_of_a_kind_can_be_is_told_by_its_largest() {
    let place = Place::new();
    let words = ["plan", "--ingress", "10 MB/s", "--record-size", "10 GiB", "--json"];
    let reason = place.expect(7, &words).json()["ruled_out"][0]["reason"].to_string();
    assert!(!reason.contains("t3.small"), "which is refused for a reason of its own: {reason}");
}

#[test]
fn requirements_come_from_a_file_and_from_flags() {
    let place = Place::new();
    let file = "ingress = \"5 GB/s\"\ninstance = [\"kafka.m7g.large\"]\nbrokers_max = 30\n";
    place.write("r.toml", file);
    let words = ["plan", "--requirements", "r.toml", "--brokers-max", "6", "--json"];
    let report = place.expect(7, &words).json();
    assert_eq!(report["requirements"]["ingress_bytes_per_sec"], 5_000_000_000_u64);
    assert_eq!(report["cut_by_bounds"], 2, "what is typed comes first");
    for (text, part) in [
        ("ingress = \"5\"", "r.toml: --ingress `5`: `5` has no unit"),
        ("ingress = ", "r.toml:1: "),
        ("ingress = \"5 GB/s\"\ncolour = 3", "--colour"),
        ("peak = 2", "--ingress"),
    ] {
        place.write("r.toml", text);
        let called = place.expect(5, &["plan", "--requirements", "r.toml"]);
        assert!(called.stderr.contains(part), "{text}\n{}", called.stderr);
    }
}

#[test]
fn self_managed_clusters_are_planned_with_their_volumes_controllers_and_replication() {
    let place = Place::new();
    let mut words = vec!["plan", "--ingress", "100 KB/s", "--retention", "1h", "--survive", "none"];
    words.extend(["--kind", "self-managed", "--instance", "m7g.large,i3en.large"]);
    words.extend(["--brokers-max", "3", "--p99", "100ms", "--top", "2", "--json"]);
    let report = place.expect(0, &words).json();
    let fits = report["fits"].as_array().unwrap();
    assert_eq!(fits.len(), 2, "{report:#}");
    let items = |fit: &serde_json::Value| fit["bill"].to_string();
    for fit in fits {
        assert_eq!(fit["cluster"]["kind"], "self-managed");
        for part in ["3 controller instances m6g.large", "Replication between brokers"] {
            assert!(items(fit).contains(part), "{part}: {}", items(fit));
        }
    }
    let of = |name: &str| fits.iter().find(|one| one["cluster"]["instance"] == name).unwrap();
    assert_eq!(of("m7g.large")["cluster"]["storage_gib"], 1, "as small as an hour of it");
    // The instance's own disk is no line of a bill, and as large as it is.
    assert!(of("i3en.large")["cluster"]["storage_gib"].as_u64().unwrap() > 1_000);
    assert!(items(of("i3en.large")).matches("gp3 storage").count() <= 1);
    assert!(report["assumptions"].to_string().contains("nobody's working hours"));
}

#[test]
fn serverless_is_planned_by_its_quotas_and_billed_by_its_meters() {
    let place = Place::new();
    let mut words = vec!["plan", "--ingress", "100 KB/s", "--egress", "200 KB/s"];
    words.extend(["--retention", "1h", "--survive", "none", "--p99", "100ms", "--json"]);
    let report = place.expect(0, &[&words[..], &["--kind", "serverless"]].concat()).json();
    let fit = &report["fits"][0];
    assert_eq!(fit["cluster"]["kind"], "msk-serverless", "{report:#}");
    assert!(fit["equation_1"].is_null() && report["formulas"].as_array().unwrap().is_empty());
    for meter in ["Cluster", "6 partitions", "Storage", "Data in", "Data out"] {
        assert!(fit["bill"].to_string().contains(meter), "{meter}: {}", fit["bill"]);
    }
    let bounds = fit["bounds"].to_string();
    for quota in
        ["ingress quota", "egress quota", "partition ingress quota", "partition egress quota"]
    {
        assert!(bounds.contains(quota), "{quota}: {bounds}");
    }
    assert!(report["assumptions"].to_string().contains("share the cluster's quotas"));
    assert!(place.read("stormglass-out/plan/index.html").contains("MSK Serverless"));
}

#[test]
fn a_kind_without_a_cluster_is_named_with_what_it_lacks() {
    let place = Place::new();
    let mut words = vec!["plan", "--ingress", "150 MB/s", "--peak", "2", "--survive", "none"];
    words.extend(["--kind", "serverless,standard", "--instance", "kafka.m7g.large"]);
    words.extend(["--brokers-max", "3"]);
    let report = place.expect(7, &[&words[..], &["--json"]].concat()).json();
    let lacks = report["ruled_out"].as_array().unwrap();
    assert_eq!(lacks.len(), 2, "{report:#}");
    let of =
        |kind: &str| lacks.iter().find(|one| one["kind"] == kind).unwrap()["reason"].to_string();
    // 300 MB/s at peak of 200.
    assert!(of("msk-serverless").contains("ingress quota needs at least 150 %"), "{lacks:?}");
    assert!(of("msk-standard").contains("needs at least"), "{lacks:?}");
    let text = place.expect(7, &words).stdout;
    assert!(text.contains("No msk-serverless: of MSK Serverless ingress quota"), "{text}");
    let page = place.read("stormglass-out/plan/index.html");
    assert!(page.contains("Ruled out without a simulation"));
}

#[test]
fn prices_of_ones_own_and_the_region_count() {
    let place = Place::new();
    let mut words = vec!["plan", "--ingress", "100 KB/s", "--retention", "1h", "--survive", "none"];
    words.extend(["--kind", "standard", "--brokers-max", "3", "--p99", "100ms", "--top", "1"]);
    words.extend(["--instance", "kafka.m7g.large,kafka.m5.large", "--json"]);
    // AWS's script has a bill at its own prices only.
    let found = |more: &[&str]| {
        let report = place.expect(0, &[&words[..], more].concat()).json();
        let instance = report["fits"][0]["cluster"]["instance"].as_str().map(str::to_owned);
        (instance.unwrap(), report["formulas"][0]["aws_script_usd"].is_number())
    };
    assert_eq!(found(&[]), ("kafka.m7g.large".to_owned(), true));
    place.write("p.toml", "[[prices]]\nmeter = \"broker-hour:kafka.m5.large\"\nusd = \"0.1\"\n");
    assert_eq!(found(&["--prices", "p.toml"]), ("kafka.m5.large".to_owned(), false));
    // Of that region only some prices are known.
    let called = place.expect(7, &[&words[..], &["--region", "ap-southeast-1"]].concat());
    assert!(called.stdout.contains("not every price is known"), "{}", called.stdout);
    let page = place.read("stormglass-out/plan/index.html");
    assert!(page.contains("No cluster that was allowed is left to simulate. For example: 3 x"));
    place.write("p.toml", "[[prices]]\nmeter = \"nonsense\"\nusd = \"0.1\"\n");
    for (flags, exit, part) in [
        (&["--prices", "p.toml"][..], 2, "no bill has the meter `nonsense`"),
        (&["--prices", "gone.toml"], 5, "gone.toml"),
        (&["--region", "moon-1"], 2, "us-east-1"),
    ] {
        let called = place.expect(exit, &[&words[..], flags].concat());
        assert!(called.stderr.contains(part), "{flags:?}\n{}", called.stderr);
    }
}

#[test]
fn a_price_of_every_instance_type_is_refused() {
    let place = Place::new();
    let mut words = vec!["plan", "--ingress", "5 GB/s", "--brokers-max", "3"];
    words.extend(["--instance", "m7g.large", "--prices", "p.toml"]);
    let of = |meter: &str| {
        place.write("p.toml", format!("[[prices]]\nmeter = \"{meter}\"\nusd = \"0.1\"\n"));
    };
    for meter in ["broker-hour", "ec2-hour"] {
        of(meter);
        let stderr = place.expect(2, &words).stderr;
        for part in ["would be the price of every instance type", &format!("{meter}:TYPE")] {
            assert!(stderr.contains(part), "{part}\n{stderr}");
        }
    }
    // Of each type it may be stated; controllers have one size.
    for meter in ["ec2-hour:m7g.large", "controller-ec2-hour"] {
        of(meter);
        place.expect(7, &words);
    }
}

#[test]
fn local_disks_that_are_too_small_are_ruled_out_by_arithmetic() {
    let place = Place::new();
    let words = ["plan", "--ingress", "10 MB/s", "--retention", "30d", "--instance", "i3en.large"];
    let report = place.expect(7, &[&words[..], &["--brokers-max", "3", "--json"]].concat()).json();
    assert_eq!((&report["runs"], &report["cut_by_bounds"]), (&0.into(), &1.into()));
}

#[test]
fn a_curve_gives_average_and_peak() {
    let place = Place::new();
    place.write("day.csv", "time,rate\n0h,1 GB/s\n12h,9 GB/s\n24h,1 GB/s\n");
    let mut words = vec!["plan", "--curve", "day.csv", "--fan-out", "2", "--brokers-max", "3"];
    let report = place.expect(7, &[&words[..], &["--json"]].concat()).json();
    let asked = &report["requirements"];
    assert_eq!(asked["ingress_bytes_per_sec"], 5_000_000_000_u64);
    assert_eq!((&asked["peak_permille"], &asked["groups"]), (&1800.into(), &2.into()));
    place.write("day.csv", "0h,1 GB/s\nnoon,9 GB/s\n");
    let called = place.expect(5, &words);
    assert!(called.stderr.contains("day.csv:2: `noon`"), "{}", called.stderr);
    words.extend(["--ingress", "1 MB/s"]);
    place.expect(2, &words);
}

#[test]
fn one_replica_survives_nothing() {
    let place = Place::new();
    let words = ["plan", "--ingress", "100 KB/s", "--replication", "1", "--survive", "none,az"];
    let called = place.expect(2, &words);
    assert!(called.stderr.contains("--replication 2"), "{}", called.stderr);
}
