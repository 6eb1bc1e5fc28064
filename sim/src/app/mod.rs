//! Applications under test: services written in async Rust, run on madsim nodes inside the simulated
//! cluster, killed and restarted with their hosts.
//!
//! An [`Application`] is a name and a function from an [`Env`] to a future. Each instance is a madsim
//! node with a host of its own in the simulated network. It reaches the cluster through [`Producer`] and
//! [`Consumer`], whose state machines are those of the load's clients; what it awaits is answered by
//! events of the simulation. `madsim::time` and what is built on it follow the simulation's clock, to
//! the millisecond. A [`Simulation`] runs a plan with applications; [`CopyRule`] is what they promise.
//!
//! ```
//! use stormglass_sim::app::{Application, Config, Env, Error, Record};
//!
//! async fn greeter(env: Env) -> Result<(), Error> {
//!     let config = Config::new().set("acks", "all");
//!     let producer = env.producer(&config, "greetings")?;
//!     let sent = producer.send(Record::value("hello")).await?;
//!     println!("offset {} of partition {}", sent.offset, sent.partition);
//!     Ok(())
//! }
//!
//! let application = Application::new("greeter", |env| async move {
//!     if let Err(error) = greeter(env).await {
//!         eprintln!("{error}");
//!     }
//! });
//! # let _ = application;
//! ```

mod application;
mod call;
mod config;
mod consumer;
mod error;
mod hub;
mod producer;
mod record;
mod simulation;

pub use application::{Application, Env};
pub use config::Config;
pub use consumer::{Consumer, Messages, Subscription};
pub use error::Error;
pub use producer::{Producer, Sent};
pub use record::{Message, Positions, Record};
pub(crate) use simulation::Load;
pub use simulation::{CopyRule, Outcome, Simulation};

pub(crate) use application::{Factory, InstanceId};
pub(crate) use call::{Replier, Reply};
pub(crate) use config::{ConsumerSpec, ProducerSpec};
pub(crate) use hub::{Command, Delivery, Hub, Spec};
