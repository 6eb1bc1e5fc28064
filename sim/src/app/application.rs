//! An application, and what an instance of it knows of itself.

use super::config::Config;
use super::consumer::{Consumer, Subscription};
use super::error::Error;
use super::hub::{Hub, Spec};
use super::producer::Producer;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What an instance runs; dropped when its process is killed.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()>>>;

/// Starts an instance.
pub(crate) type Factory = Arc<dyn Fn(Env) -> Running + Send + Sync>;

/// An instance in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstanceId {
    /// Counted over all applications.
    pub(crate) instance: u32,
    /// Lives before this one.
    pub(crate) life: u32,
}

/// A service under test: a name, and a future for each of its instances.
///
/// Faults of a plan reach it by its name (`client-crash`, `client-pause`), or by the name of one
/// instance (`copy-0`), and with its AZ.
#[derive(Clone)]
pub struct Application {
    pub(crate) name: Arc<str>,
    pub(crate) instances: u32,
    pub(crate) start: Factory,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("name", &self.name)
            .field("instances", &self.instances)
            .finish_non_exhaustive()
    }
}

impl Application {
    /// An application with one instance. `start` is called when a process of it starts: once when the
    /// run begins, and again after each time that the process was killed, with nothing left of the
    /// life before.
    pub fn new<F>(name: &str, start: impl Fn(Env) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let start: Factory = Arc::new(move |env| Box::pin(start(env)));
        Self { name: Arc::from(name), instances: 1, start }
    }

    /// With so many instances, each on a host of its own; they take turns over the AZs.
    #[must_use]
    pub fn instances(mut self, count: u32) -> Self {
        assert!(count > 0, "an application has an instance");
        self.instances = count;
        self
    }
}

/// Where an instance is, and how it gets its clients. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Env {
    pub(crate) hub: Arc<Hub>,
    pub(crate) id: InstanceId,
    pub(crate) name: Arc<str>,
    pub(crate) number: u32,
    pub(crate) instances: u32,
}

impl Env {
    /// Name of the application.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which instance this is, counted from 0.
    #[must_use]
    pub fn instance(&self) -> u32 {
        self.number
    }

    /// How many there are.
    #[must_use]
    pub fn instances(&self) -> u32 {
        self.instances
    }

    /// How often this instance was started before.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.id.life
    }

    /// A producer for a topic.
    ///
    /// # Errors
    /// A config value that cannot be used.
    pub fn producer(&self, config: &Config, topic: &str) -> Result<Producer, Error> {
        let spec = Spec::Producer(Box::new(config.producer(topic)?));
        Ok(Producer::new(Arc::clone(&self.hub), self.hub.open(self.id, spec)))
    }

    /// A consumer that reads what `subscription` says.
    ///
    /// # Errors
    /// A config value that cannot be used.
    pub fn consumer(&self, config: &Config, subscription: Subscription) -> Result<Consumer, Error> {
        let client_id = format!("{}-{}", self.name, self.number);
        let spec = Spec::Consumer(Box::new(config.consumer(&client_id, subscription)?));
        Ok(Consumer::new(Arc::clone(&self.hub), self.hub.open(self.id, spec)))
    }
}
