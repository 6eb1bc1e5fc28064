//! A volume that fails while a broker writes: the broker ends, as one of Kafka's does whose last log
//! directory is offline, and what it has acknowledged is there when the volume is well again.

use crate::common::Place;
use crate::kafka::{Client, Serving, batch};

/// Sizes of files end at 2 MiB.
const BLOCKS: u32 = 4096;

/// Produces until no answer comes, or a refusal. How many batches were acknowledged.
fn fill(client: &mut Client, value: &str) -> i64 {
    client.topic("orders");
    let mut acknowledged = 0;
    while let Ok((0, offset)) = client.try_produce("orders", batch(&[value], None)) {
        assert_eq!(offset, acknowledged);
        acknowledged += 1;
    }
    acknowledged
}

#[test]
fn a_failing_volume_ends_the_broker_and_takes_nothing_that_was_acknowledged() {
    let place = Place::new();
    let value = "v".repeat(50_000);
    let serving = Serving::start_with_small_files(&place, "data", BLOCKS);
    let acknowledged = fill(&mut serving.client(), &value);
    assert!((20..=41).contains(&acknowledged), "{acknowledged} batches of 50 kB");
    assert_eq!(serving.ended(), Some(1));
    let log = place.read("data.log");
    for said in ["error=data/orders-0: File too large", "the log directory data of node 1 failed"] {
        assert!(log.contains(said), "{said}\n{log}");
    }

    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic("orders");
    let mut offset = 0;
    while offset < acknowledged {
        let read = client.consume("orders", offset);
        assert!(!read.is_empty(), "nothing at {offset}");
        for (at, found) in read {
            assert_eq!((at, &found[..]), (offset, value.as_bytes()));
            offset += 1;
        }
    }
    assert_eq!(client.produce("orders", batch(&["more"], None)).0, 0);
    serving.stop();
}
