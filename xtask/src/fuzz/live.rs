//! The same frames against a running broker: only those that decode and whose answer is awaited keep
//! a connection, all others end it.

use super::mutate::Mutator;
use super::peak_kib;
use crate::conformance::cluster::{Cluster, build};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use stormglass_fuzz::Frame;

/// How long an answer is awaited: a fetch may wait as long as its client says.
const PATIENCE: Duration = Duration::from_millis(20);
/// Resident memory that the broker may take for them, KiB.
const PEAK_KIB_MAX: u64 = 1 << 20;
/// ApiVersions v0, as the oldest clients ask first.
const HONEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Sends frames until `count` of them have reached the broker's core.
pub(super) fn live(corpus: &[Vec<u8>], mutator: &mut Mutator, count: u64) -> Result<(), String> {
    let cluster = Cluster::start(&build()?, 1)?;
    let address = cluster.bootstrap.clone();
    let (mut sent, mut decodable) = (0, 0);
    let mut stream = None;
    while decodable < count {
        let frame = mutator.frame(corpus);
        let asks = stormglass_fuzz::frames(&frame) == Frame::Asks;
        // most frames are refused by the codec, which has seen a million of them
        if !asks && sent % 50 != 0 {
            sent += 1;
            continue;
        }
        decodable += u64::from(asks);
        sent += 1;
        if !exchange(&address, &mut stream, &frame)? {
            stream = None;
        }
    }
    honest(&address)?;
    let peak = peak_kib(&cluster.process_id().to_string())?;
    let log = cluster.log()?;
    println!("{decodable} frames reached the broker; peak memory {} MiB", peak >> 10);
    if log.contains("panicked") {
        return Err("the broker has panicked; see target/conformance/serve-1.log".to_owned());
    }
    if peak > PEAK_KIB_MAX {
        return Err(format!("the broker took {peak} KiB"));
    }
    cluster.stop()
}

/// Sends a frame and reads what comes; whether the connection can go on.
fn exchange(address: &str, stream: &mut Option<TcpStream>, frame: &[u8]) -> Result<bool, String> {
    if stream.is_none() {
        let fresh = TcpStream::connect(address)
            .map_err(|error| format!("the broker takes no connections: {error}"))?;
        fresh.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        *stream = Some(fresh);
    }
    let Some(stream) = stream else { return Ok(false) };
    let len = u32::try_from(frame.len()).unwrap_or(0).to_be_bytes();
    let mut answer = [0; 64 << 10];
    let sent = stream.write_all(&[&len, frame].concat());
    Ok(sent.is_ok() && stream.read(&mut answer).is_ok_and(|read| read > 0 && read < answer.len()))
}

/// A client that behaves is answered.
fn honest(address: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("an honest client is not served: {error}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
    stream.write_all(&HONEST).map_err(failed)?;
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).map_err(failed)?;
    if answer[4..] == HONEST[8..12] { Ok(()) } else { Err(format!("answered with {answer:?}")) }
}
