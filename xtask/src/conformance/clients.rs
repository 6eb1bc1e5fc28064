//! The clients, how they are installed below target/conformance, and how they are called. Versions
//! are pinned in the files of xtask/conformance.

use super::work_dir;
use crate::ci::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A client that is put to the test.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// What the table says of it.
    pub(crate) about: &'static str,
    pub(super) install: fn() -> Result<Installed, String>,
}

pub(super) const CLIENTS: [Client; 14] = [
    Client { name: "kcat", about: "kcat", install: kcat },
    Client { name: "java", about: "Apache Kafka's Java clients", install: || java("Conformance") },
    Client { name: "streams", about: "Kafka Streams", install: || java("Streams") },
    Client { name: "connect", about: "Kafka Connect", install: || java("Connect") },
    Client { name: "mirror", about: "MirrorMaker 2", install: || java("Mirror") },
    Client { name: "tools", about: "Apache Kafka's command-line tools", install: tools },
    Client {
        name: "confluent",
        about: "confluent-kafka for Python (librdkafka)",
        install: || python("confluent"),
    },
    Client { name: "kafka-python", about: "kafka-python", install: || python("kafka_python") },
    Client { name: "aiokafka", about: "aiokafka", install: || python("aio") },
    Client { name: "kafkajs", about: "kafkajs", install: || node("kafkajs") },
    Client {
        name: "confluent-js",
        about: "@confluentinc/kafka-javascript (librdkafka)",
        install: || node("confluent"),
    },
    Client { name: "franz", about: "franz-go", install: || go("franz") },
    Client { name: "sarama", about: "sarama", install: || go("sarama") },
    Client { name: "kafka-go", about: "segmentio's kafka-go", install: || go("kafka-go") },
];

/// How an installed client is called.
pub(super) struct Installed {
    words: Vec<String>,
    dir: PathBuf,
}

impl Installed {
    fn new(words: &[&str], dir: PathBuf) -> Self {
        Self { words: words.iter().map(|word| (*word).to_owned()).collect(), dir }
    }

    /// The command for a feature, which ends after `seconds` at the latest.
    pub(super) fn command(
        &self,
        seconds: &str,
        bootstrap: &str,
        brokers: u16,
        feature: &str,
        topic: &str,
    ) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", seconds]).args(&self.words);
        command.args([bootstrap, &brokers.to_string(), feature, topic]).current_dir(&self.dir);
        command
    }
}

fn source(name: &str) -> PathBuf {
    root().join("xtask/conformance").join(name)
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))
}

/// A directory of a client, made when absent.
fn place(name: &str) -> Result<PathBuf, String> {
    let dir = work_dir().join(name);
    fs::create_dir_all(&dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    Ok(dir)
}

fn do_it(program: &str, args: &[&str], dir: &Path) -> Result<(), String> {
    finish(Command::new(program).args(args), dir)
}

fn finish(command: &mut Command, dir: &Path) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .current_dir(dir)
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed: {}", cause(&output.stderr)))
}

/// The last line that says what failed, or else the last one.
fn cause(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text.lines().rev();
    let line = lines.find(|line| line.contains("Failed to") || line.contains(" fatal error"));
    without_places(&super::last_line(line.map_or(stderr, str::as_bytes)))
}

/// Paths and addresses are this machine's: of each, its last part says enough.
fn without_places(line: &str) -> String {
    let words = line.split_whitespace();
    let words: Vec<&str> = words.map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
    words.join(" ")
}

fn kcat() -> Result<Installed, String> {
    let dir = place("kcat")?;
    do_it("kcat", &["-V"], &dir)?;
    Ok(Installed::new(&["sh", text(&source("kcat/kcat.sh"))?], dir))
}

/// The class path of Apache Kafka's artifacts, of another version than the one in pom.xml if it is named.
pub(super) fn class_path(version: Option<&str>) -> Result<String, String> {
    let dir = place("java")?;
    let file = dir.join(format!("classpath{}.txt", version.unwrap_or_default()));
    let pom = source("java/pom.xml");
    let out = format!("-Dmdep.outputFile={}", file.display());
    let version = version.map(|version| format!("-Dkafka={version}"));
    let goal = ["dependency:build-classpath", "-Dmdep.includeScope=runtime", &out];
    let goal = goal.into_iter().chain(version.as_deref());
    let words: Vec<&str> = ["-q", "-B", "-f", text(&pom)?].into_iter().chain(goal).collect();
    do_it("mvn", &words, &dir)?;
    let jars = fs::read_to_string(&file).map_err(|error| format!("no class path: {error}"))?;
    Ok(jars.trim().to_owned())
}

fn java(class: &str) -> Result<Installed, String> {
    let (jars, dir) = (class_path(None)?, place("java")?);
    let classes = place("java/classes")?;
    let program = source("java").join(format!("{class}.java"));
    let sources = source("java");
    let sources =
        ["-proc:none", "-sourcepath", text(&sources)?, "-d", text(&classes)?, text(&program)?];
    do_it("javac", &[&["-cp", &jars], &sources[..]].concat(), &dir)?;
    let class_path = format!("{}:{jars}", classes.display());
    Ok(Installed::new(&["java", "-Xmx512m", "-cp", &class_path, class], dir))
}

fn tools() -> Result<Installed, String> {
    let script = source("java/tools.sh");
    Ok(Installed::new(&["sh", text(&script)?, &class_path(None)?], place("java")?))
}

fn python(adapter: &str) -> Result<Installed, String> {
    let dir = place("python")?;
    let interpreter = dir.join("bin/python");
    if !interpreter.exists() {
        do_it("python3", &["-m", "venv", "."], &dir)?;
    }
    let requirements = source("python/requirements.txt");
    let pip = ["-m", "pip", "install", "--quiet", "--requirement", text(&requirements)?];
    do_it(text(&interpreter)?, &pip, &dir)?;
    let script = source("python/run.py");
    Ok(Installed::new(&[text(&interpreter)?, "-B", text(&script)?, adapter], dir))
}

/// Where Node.js is installed, if what is built for it finds its headers there.
fn node_with_headers() -> Option<PathBuf> {
    let output = Command::new("node").args(["-p", "process.execPath"]).output().ok()?;
    let program = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let installed = program.parent()?.parent()?;
    installed.join("include/node").exists().then(|| installed.to_owned())
}

fn node(client: &str) -> Result<Installed, String> {
    let dir = place(&format!("node-{client}"))?;
    let package = source("node").join(client).join("package.json");
    fs::copy(&package, dir.join("package.json"))
        .map_err(|error| format!("cannot copy {}: {error}", package.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]);
    if let Some(headers) = node_with_headers() {
        npm.env("npm_config_nodedir", headers);
    }
    // what a client builds in C uses the libraries that are here, and downloads none
    finish(npm.env("CKJS_LINKING", "dynamic"), &dir)?;
    let script = source("node/run.js");
    Ok(Installed::new(&["node", text(&script)?, client], dir))
}

fn go(client: &str) -> Result<Installed, String> {
    let dir = place("go")?;
    let binary = dir.join("conformance");
    do_it("go", &["build", "-o", text(&binary)?, "."], &source("go"))?;
    Ok(Installed::new(&[text(&binary)?, client], dir))
}
