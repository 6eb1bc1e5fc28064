//! How far consumer groups are behind: delivered positions against high watermarks.

use crate::client::Outcome;
use crate::partition_index::PartitionIndex;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, Offset, TopicPartition};

/// Positions of all groups.
#[derive(Debug, Default)]
pub(super) struct Lags {
    index: PartitionIndex,
    partitions: Vec<TopicPartition>,
    /// Of the newest leader, with its epoch.
    high_watermarks: Vec<(LeaderEpoch, Offset)>,
    /// Per group: next offset per partition; `None` until the group has a position there.
    positions: Vec<Vec<Option<Offset>>>,
}

impl Lags {
    pub(super) fn new(groups: usize) -> Self {
        Self { positions: vec![Vec::new(); groups], ..Self::default() }
    }

    fn at(&mut self, tp: TopicPartition) -> usize {
        if let Some(at) = self.index.get(tp) {
            return at;
        }
        let at = self.partitions.len();
        self.index.insert(tp, at);
        self.partitions.push(tp);
        self.high_watermarks.push((NO_EPOCH, 0));
        for group in &mut self.positions {
            group.push(None);
        }
        at
    }

    /// A leader's high watermark. That of a new leader may be lower: what was lost is no lag.
    pub(super) fn high_watermark(
        &mut self,
        tp: TopicPartition,
        epoch: LeaderEpoch,
        offset: Offset,
    ) {
        let at = self.at(tp);
        self.high_watermarks[at] = self.high_watermarks[at].max((epoch, offset));
    }

    /// What a consumer got or where it stands.
    pub(super) fn note(&mut self, group: usize, outcome: &Outcome) {
        let (tp, next) = match outcome {
            Outcome::Delivered { tp, first_offset, count, .. } => {
                (*tp, first_offset + Offset::from(*count))
            }
            Outcome::PositionFound { tp, offset, .. } => (*tp, *offset),
            Outcome::Skipped { tp, next, .. } => (*tp, *next),
            Outcome::OffsetReset { tp, to, .. } | Outcome::TruncationDetected { tp, to, .. } => {
                (*tp, *to)
            }
            _ => return,
        };
        let at = self.at(tp);
        self.positions[group][at] = Some(next);
    }

    /// Sum and largest lag of a group, records.
    pub(super) fn lag(&self, group: usize) -> (u64, u64) {
        let lags = self.positions[group]
            .iter()
            .zip(&self.high_watermarks)
            .map(|(next, (_, high))| next.map_or(0, |next| (high - next).max(0).unsigned_abs()));
        lags.fold((0, 0), |(sum, max), lag| (sum + lag, max.max(lag)))
    }

    /// Partitions in which a group is behind, with the records missing.
    pub(super) fn behind(&self, group: usize) -> Vec<(TopicPartition, u64)> {
        let all = self.partitions.iter().zip(&self.positions[group]).zip(&self.high_watermarks);
        all.filter_map(|((tp, next), (_, high))| {
            let lag = (high - (*next)?).max(0).unsigned_abs();
            (lag > 0).then_some((*tp, lag))
        })
        .collect()
    }
}
