//! A real Apache Kafka of one node, started from its Maven artifacts, to compare with.

use super::clients::class_path;
use super::work_dir;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A cluster id, as `kafka-storage` wants one.
const CLUSTER_ID: &str = "c3Rvcm1nbGFzcy1vbmUtMQ";
/// Tries before the broker counts as not started, 100 ms apart.
const TRIES: u32 = 600;

/// A running broker and controller, which is killed if it is not stopped.
pub(super) struct Apache {
    child: Child,
    pub(super) bootstrap: String,
}

impl Apache {
    /// Starts it on free ports, with an empty data directory and these keys more in its
    /// server.properties. Its version is that of the clients, unless another one is named.
    ///
    /// # Errors
    /// Its artifacts or a Java are missing, or it did not start.
    pub(super) fn start(version: Option<&str>, more: &[(&str, &str)]) -> Result<Self, String> {
        let dir = work_dir().join("apache");
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(|error| format!("old data: {error}"))?;
        }
        fs::create_dir_all(&dir).map_err(|error| format!("no place to work: {error}"))?;
        let (clients, controller) = (free_port()?, free_port()?);
        let file = dir.join("server.properties");
        let more: String = more.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        let text = properties(&dir, clients, controller) + &more;
        fs::write(&file, text).map_err(|error| format!("no server.properties: {error}"))?;
        let jars = class_path(version)?;
        let format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"];
        let output = java(&jars, &file, &format)
            .output()
            .map_err(|error| format!("cannot run java: {error}"))?;
        if !output.status.success() {
            return Err(format!("kafka-storage: {}", super::last_line(&output.stderr)));
        }
        let log =
            File::create(dir.join("kafka.log")).map_err(|error| format!("no log: {error}"))?;
        // the heap and collector of Kafka's own start script
        let words = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "kafka.Kafka"];
        let child = java(&jars, &file, &words)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot run java: {error}"))?;
        let mut apache = Self { child, bootstrap: format!("127.0.0.1:{clients}") };
        apache.await_start()?;
        Ok(apache)
    }

    pub(super) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Until it takes connections.
    fn await_start(&mut self) -> Result<(), String> {
        for _ in 0..TRIES {
            if TcpStream::connect(&self.bootstrap).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("Apache Kafka ended with {status}; see its kafka.log"));
            }
            pause();
        }
        Err("Apache Kafka takes no connections".to_owned())
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Java with these words, the last argument being the properties.
fn java(jars: &str, properties: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("java");
    command.args(["-cp", jars]).args(words).arg(properties);
    command
}

fn properties(dir: &Path, clients: u16, controller: u16) -> String {
    let data: PathBuf = dir.join("data");
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{clients}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n",
        data.display()
    )
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "a real process needs real time")]
pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}
