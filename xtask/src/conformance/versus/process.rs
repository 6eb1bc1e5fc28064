//! What the kernel says of a process.

use std::fs;

/// Clock ticks per second of /proc/PID/stat; Linux has 100 on every platform that matters here.
const TICKS_PER_SEC: f64 = 100.0;

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) rss_mib: f64,
    pub(super) peak_mib: f64,
}

/// Of a running process, its threads included.
///
/// # Errors
/// It is gone, or this is no Linux.
pub(super) fn usage(process: u32) -> Result<Usage, String> {
    let read = |name: &str| {
        let path = format!("/proc/{process}/{name}");
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    };
    let (stat, status) = (read("stat")?, read("status")?);
    let cpu_seconds = cpu_seconds(&stat).ok_or("unreadable stat")?;
    let mib = |field: &str| mib(&status, field).ok_or("unreadable status");
    Ok(Usage { cpu_seconds, rss_mib: mib("VmRSS:")?, peak_mib: mib("VmHWM:")? })
}

/// Fields 14 and 15, counted behind the command's name, which may contain anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SEC)
}

fn mib(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// What the brokers ran on.
pub(super) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = model(&cpus).unwrap_or("an unknown processor");
    let gib = mib(&memory, "MemTotal:").map_or(0.0, |mib| mib / 1024.0);
    format!("{cores} cores of {model}, {gib:.0} GiB of memory")
}

fn model(cpus: &str) -> Option<&str> {
    let line = cpus.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(mib("VmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n", "VmRSS:"), Some(1.0));
        assert_eq!(
            model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"),
            Some("Some CPU @ 2 GHz")
        );
        assert!(usage(std::process::id()).is_ok());
    }
}
