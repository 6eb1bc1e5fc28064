//! Clusters that the clients talk to: `stormglass serve` on free ports, with data of its own.

use super::work_dir;
use crate::ci::root;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running `stormglass serve`, which is killed if it is not stopped.
pub(crate) struct Cluster {
    child: Child,
    pub(crate) brokers: u16,
    pub(crate) bootstrap: String,
    pub(crate) data_dir: PathBuf,
}

/// The binary, optimised and with its assertions.
pub(crate) fn build() -> Result<PathBuf, String> {
    build_profile("hunt")
}

/// The binary of a profile.
pub(crate) fn build_profile(profile: &str) -> Result<PathBuf, String> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--profile", profile, "--package", "stormglass"])
        .current_dir(root())
        // it would replace the flags of .cargo/config.toml
        .env_remove("RUSTFLAGS")
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the build failed: {status}"));
    }
    Ok(root().join("target").join(profile).join("stormglass"))
}

fn log_path(brokers: u16) -> PathBuf {
    work_dir().join(format!("serve-{brokers}.log"))
}

impl Cluster {
    pub(crate) fn start(binary: &Path, brokers: u16) -> Result<Self, String> {
        Self::start_with(binary, brokers, &[])
    }

    /// The same with these keys of server.properties.
    pub(super) fn start_with(
        binary: &Path,
        brokers: u16,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let data_dir = work_dir().join(format!("data-{brokers}"));
        fs::create_dir_all(work_dir()).map_err(|error| format!("no place to work: {error}"))?;
        if data_dir.exists() {
            fs::remove_dir_all(&data_dir).map_err(|error| format!("old data: {error}"))?;
        }
        let log_path = log_path(brokers);
        let log = File::create(&log_path).map_err(|error| format!("no log: {error}"))?;
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--brokers", &brokers.to_string()])
            .arg("--data-dir")
            .arg(&data_dir)
            .args(settings.iter().map(|(key, value)| format!("--set={key}={value}")))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let bootstrap = line.trim().strip_prefix("serving Kafka clients on ").map(str::to_owned);
        let mut cluster =
            Self { child, brokers, bootstrap: bootstrap.clone().unwrap_or_default(), data_dir };
        if bootstrap.is_none() {
            cluster.end();
            return Err(format!("the broker did not start; see {}", log_path.display()));
        }
        Ok(cluster)
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> Result<String, String> {
        fs::read_to_string(log_path(self.brokers)).map_err(|error| format!("no log: {error}"))
    }

    /// SIGTERM; the process must end well.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status();
        told.map_err(|error| format!("cannot stop the broker: {error}"))?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the broker ended with {status}")) }
    }

    fn end(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}
