//! Other programs: run to their end, or until the user interrupts.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// How often an interruption is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What a program printed and how it ended; nothing when the interruption came first, which ends it.
///
/// A terminal's Ctrl-C reaches the program as well; a signal to this process alone does not.
pub(crate) fn output(
    command: &mut Command,
    interrupt: &AtomicBool,
) -> std::io::Result<Option<Output>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // Both are read meanwhile: a full pipe would stop the program.
        let stdout = scope.spawn(|| read(stdout));
        let stderr = scope.spawn(|| read(stderr));
        let ended = wait(&mut child, interrupt);
        if ended.is_err() || interrupt.load(Ordering::Relaxed) {
            let _ = child.kill();
        }
        let status = ended.and_then(|()| child.wait())?;
        if interrupt.load(Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(Some(Output { status, stdout: joined(stdout)?, stderr: joined(stderr)? }))
    })
}

/// Until it has ended or is to end.
fn wait(child: &mut Child, interrupt: &AtomicBool) -> std::io::Result<()> {
    while child.try_wait()?.is_none() && !interrupt.load(Ordering::Relaxed) {
        thread::park_timeout(LOOK);
    }
    Ok(())
}

fn read(pipe: Option<impl Read>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn joined(reader: ScopedJoinHandle<'_, std::io::Result<Vec<u8>>>) -> std::io::Result<Vec<u8>> {
    reader.join().unwrap_or_else(|_| Err(std::io::Error::other("a reader panicked")))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    #[test]
    fn both_streams_are_whole_and_the_status_is_the_programs() {
        let never = AtomicBool::new(false);
        let text = "head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2; exit 3";
        let output = output(&mut shell(text), &never).unwrap().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (200_000, 200_000));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn an_interruption_ends_a_program_that_would_go_on() {
        let now = AtomicBool::new(true);
        assert!(output(&mut shell("exec sleep 3600"), &now).unwrap().is_none());
    }
}
