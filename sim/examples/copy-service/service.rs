//! The service under test: it reads orders, makes an invoice of each, and writes that to another topic.
//!
//! Nothing here is about simulation but the types of its clients. Two instances share the partitions;
//! each has a transactional id of its own, so that a new process takes over from the one before it,
//! which may be stopped and not dead: it fences that one first, and only then looks for its positions.

use std::time::Duration;
use stormglass_sim::app::{
    Application, Config, Consumer, Env, Error, Message, Messages, Producer, Record, Subscription,
};
use stormglass_sim::madsim::time::sleep;

/// Topic that is read.
pub(crate) const ORDERS: &str = "orders";
/// Topic that is written.
pub(crate) const INVOICES: &str = "invoices";
/// Partitions of each.
const PARTITIONS: u32 = 3;
/// Orders in a transaction, at most.
const ORDERS_MAX: u32 = 100;

/// How positions are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Within the transaction that has the invoices.
    Correct,
    /// By themselves, when the transaction is committed: the planted bug. Nothing comes of it until
    /// the service ends between the two.
    PositionsAfterwards,
}

/// The service as an application of two instances.
pub(crate) fn application(mode: Mode) -> Application {
    Application::new("copy", move |env| run(env, mode)).instances(2)
}

/// Begins anew with new clients after any error, as a supervisor would have it.
async fn run(env: Env, mode: Mode) {
    loop {
        if serve(&env, mode).await == Err(Error::Closed) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn serve(env: &Env, mode: Mode) -> Result<(), Error> {
    let clients = Config::new()
        .set("request.timeout.ms", 1_500)
        .set("socket.connection.setup.timeout.ms", 1_000)
        .set("socket.connection.setup.timeout.max.ms", 2_000);
    let writes = clients
        .clone()
        .set("transactional.id", format!("{}-{}", env.name(), env.instance()))
        .set("transaction.timeout.ms", 5_000)
        .set("delivery.timeout.ms", 10_000)
        .set("linger.ms", 5);
    let reads = clients
        .set("group.id", "billing")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest");
    let producer = env.producer(&writes, INVOICES)?;
    producer.init_transactions().await?;
    let mine = (0..PARTITIONS).filter(|at| at % env.instances() == env.instance());
    let mine = mine.map(|at| (ORDERS.to_owned(), at)).collect();
    let mut consumer = env.consumer(&reads, Subscription::Assigned(mine))?;
    loop {
        let orders = consumer.poll(ORDERS_MAX).await?;
        copy(&producer, &consumer, &orders, mode).await?;
    }
}

/// Makes the invoices of some orders, all or none.
async fn copy(
    producer: &Producer,
    consumer: &Consumer,
    orders: &Messages,
    mode: Mode,
) -> Result<(), Error> {
    producer.begin_transaction().await?;
    for order in orders.iter() {
        // the commit waits for them, and fails if one of them does
        drop(producer.send(invoice(order)));
    }
    match mode {
        Mode::Correct => {
            let positions = orders.positions();
            producer.send_offsets_to_transaction(&positions, orders.group()).await?;
            producer.commit_transaction().await
        }
        Mode::PositionsAfterwards => {
            producer.commit_transaction().await?;
            consumer.commit(&orders.positions()).await
        }
    }
}

fn invoice(order: &Message) -> Record {
    let bytes = order.value.as_ref().map_or(0, |value| value.len());
    let text = format!("invoice for order {} of {bytes} bytes", order.offset);
    Record::value(text).partition(order.partition).made_from(order)
}
