//! `cost` of a workload: its rates as flags.

use crate::failure::Failure;
use stormglass_reports::cost::Workload;
use stormglass_scenarios::units::{self, UnitError};

/// A workload as typed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A workload instead of a cluster")]
pub(super) struct LowWorkload {
    /// Average rate of producers, such as '100 MiB/s': what AWS's sizing script says of it, and what
    /// other services would bill.
    #[arg(long, value_name = "RATE", conflicts_with_all = ["subject", "instance"])]
    ingress: Option<String>,
    /// Average rate of consumers, a whole multiple of --ingress. Default: once --ingress.
    #[arg(long, value_name = "RATE", requires = "ingress")]
    egress: Option<String>,
    /// Peak over average.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, requires = "ingress")]
    peak: f64,
    /// How long records are kept.
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "ingress")]
    retention: String,
    /// Size of a record.
    #[arg(long, value_name = "SIZE", default_value = "1 KiB", requires = "ingress")]
    record_size: String,
    /// Partitions with all their replicas. Default: enough for 5 MB/s each at peak, three times.
    #[arg(long, value_name = "N", requires = "ingress",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    replicas: Option<u64>,
}

impl LowWorkload {
    /// The workload and its partition replicas, if one was typed.
    pub(super) fn read(&self) -> Result<Option<(Workload, u64)>, Failure> {
        let Some(ingress) = self.ingress.as_deref() else { return Ok(None) };
        let refuse = |flag: &str, text: &str, error: UnitError| {
            Failure::usage(format!("{flag} `{text}`: {}", error.message)).help(error.help)
        };
        let rate = |flag: &str, text: &str| {
            units::parse_byte_rate(text).map_err(|error| refuse(flag, text, error))
        };
        let data_in = rate("--ingress", ingress)?;
        if data_in == 0 {
            return Err(Failure::usage(format!("--ingress `{ingress}` is no load"))
                .help("give what producers send on average, such as '100 MiB/s'"));
        }
        let data_out = self.egress.as_deref().map_or(Ok(data_in), |text| rate("--egress", text))?;
        if data_out % data_in != 0 || data_out / data_in > 100 {
            let message =
                format!("--egress {data_out} B/s is no multiple of --ingress {data_in} B/s");
            return Err(Failure::usage(message).help("each group reads everything: at most 100 do"));
        }
        if !(1.0..=100.0).contains(&self.peak) {
            return Err(Failure::usage(format!("--peak {} is no factor", self.peak))
                .help("give a number from 1 to 100"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 100")]
        let peak_permille = (self.peak * 1000.0).round() as u64;
        let seconds = units::parse_duration_ns(&self.retention)
            .map_err(|error| refuse("--retention", &self.retention, error))?
            / 1_000_000_000;
        let record = units::parse_bytes(&self.record_size)
            .map_err(|error| refuse("--record-size", &self.record_size, error))?;
        if record == 0 {
            let message = format!("--record-size `{}` is no size", self.record_size);
            return Err(Failure::usage(message).help("a record has at least 1 B"));
        }
        let groups = u32::try_from(data_out / data_in).unwrap_or(1);
        let mut workload =
            Workload::steady(data_in, groups, peak_permille, record).kept_for(seconds);
        if let Some(replicas) = self.replicas {
            workload.partitions = replicas.div_ceil(3);
        }
        let replicas = self.replicas.unwrap_or(workload.partitions * 3);
        Ok(Some((workload, replicas)))
    }
}
