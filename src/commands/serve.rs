//! `stormglass serve`: a real broker. stdout says where it listens, stderr has the log.

use crate::args::{LogLevel, Serve, Served};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use std::fs;
use std::io;
use std::net::SocketAddr;
use stormglass_server::{
    LogLevel as Level, LogLevels, NodeOptions, ServeError, Server, offer_loggers,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// Serves until a signal says to stop.
pub(super) fn serve(args: &Serve, output: Output) -> Result<Exit, Failure> {
    log(&LogLevels::new(level(args.log)), output.errors_coloured());
    let mut server = start(&args.what, args.metrics)?;
    let stopper = server.stopper();
    ctrlc::set_handler(move || stopper.stop())
        .map_err(|error| Failure::internal(format!("cannot handle signals: {error}")))?;
    if server.ready().map_err(failure)? {
        announce(&server, output)?;
    }
    server.wait().map_err(failure)?;
    Ok(Exit::Ok)
}

fn start(what: &Served, metrics: Option<SocketAddr>) -> Result<Server, Failure> {
    let senseless = |error: ServeError| Failure::usage(error.to_string()).help(error.help());
    match what {
        Served::Cluster(options) => {
            options.check().map_err(senseless)?;
            Server::start(options, metrics).map_err(failure)
        }
        Served::Node { file, sets } => {
            let text =
                fs::read_to_string(file).map_err(|error| Failure::io("read", file, &error))?;
            let options = NodeOptions::parse(&text, sets).map_err(|error| {
                Failure::usage(format!("{}: {error}", file.display())).help(error.help())
            })?;
            Server::start_node(&options, metrics).map_err(failure)
        }
    }
}

fn announce(server: &Server, output: Output) -> Result<(), Failure> {
    let addresses: Vec<String> = server.addresses().iter().map(SocketAddr::to_string).collect();
    let bootstrap = addresses.join(",");
    if output.is_json() {
        let cluster_id = server.cluster_id();
        let metrics = server.metrics().map(|address| format!("http://{address}/metrics"));
        output.json(&serde_json::json!({
            "bootstrap": bootstrap,
            "cluster_id": cluster_id,
            "metrics": metrics,
        }))
    } else {
        let metrics = server.metrics().map(|at| format!("metrics on http://{at}/metrics\n"));
        let metrics = metrics.unwrap_or_default();
        output.text(&format!("serving Kafka clients on {bootstrap}\n{metrics}"))
    }
}

fn failure(error: ServeError) -> Failure {
    Failure::new(Exit::Internal, error.to_string()).help(error.help())
}

/// Writes the log to stderr, with levels that clients may change while brokers run (KIP-412).
fn log(levels: &LogLevels, is_coloured: bool) {
    let (filter, handle) = reload::Layer::new(targets(levels));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(is_coloured)
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    offer_loggers(levels.clone(), move |levels| {
        // it fails only where there is no log any more
        let _ = handle.reload(targets(levels));
    });
}

fn targets(levels: &LogLevels) -> Targets {
    let all = Targets::new().with_default(filter(levels.root()));
    levels.own().fold(all, |all, (name, level)| all.with_target(name, filter(level)))
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Fatal => LevelFilter::OFF, // no event is above an error
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

fn level(log: LogLevel) -> Level {
    match log {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
    }
}
