//! What a broker answers to a fetch is what its log holds, from the offset that was asked for.

use super::looked::Looked;
use super::{Says, Speaker};
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, Offset, TopicPartition};
use stormglass_broker_core::inspect::{Follower, ReplicaView};
use stormglass_broker_core::log::Log;
use stormglass_broker_core::protocol::{
    EpochEndOffset, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse,
};

/// A partition of a fetch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) fetch: &'a FetchRequest,
    pub(super) position: &'a FetchPartition,
    /// Nothing else is in the answer.
    pub(super) is_alone: bool,
    /// By [`is_sent_on_at_once`].
    pub(super) is_at_once: bool,
    /// The position was out of the log's range as the fetch came.
    pub(super) was_outside: bool,
    /// The position was looked at as the fetch came, and agreed with the log.
    pub(super) has_agreed: bool,
    /// The highest high watermark that the replica has had since the fetch came, and has been cut below.
    pub(super) had: Option<Offset>,
    /// What was to be told of where logs differ as the fetch came, by [`differing`].
    pub(super) differed: Option<EpochEndOffset>,
    /// Partitions of which the broker [`knows_less`] as the fetch came, and the epochs that the fetch names.
    pub(super) unknown: &'a [(TopicPartition, LeaderEpoch)],
}

/// Positions of a follower's fetch that were looked at in the step in which it came, and agreed with their logs: there is
/// something to read at once, and nothing else holds it up. What was proven then is not undone by the log's start, which
/// may pass the follower's last epoch while the disk reads (hunt seed 28002844). Where that epoch is the newest one,
/// nothing of it is deleted.
pub(super) fn agreed(
    broker: &Broker,
    fetch: &FetchRequest,
    looked: &[Looked<'_>],
) -> Vec<(TopicPartition, Offset)> {
    if fetch.replica.is_none() || fetch.min_bytes > 1 {
        return Vec::new();
    }
    let at_once = |of: &&Looked<'_>| {
        let (view, part) = (&of.view, of.part);
        let (log, offset) = (view.log, part.fetch_offset);
        let is_led = view.lead.is_some() && part.current_leader_epoch == view.leader_epoch;
        let is_within = log.log_start_offset() < offset && offset < log.log_end_offset();
        let is_throttled = || broker.throttled().any(|of| of.tp == part.tp && of.as_leader);
        is_led
            && is_within
            && part.last_fetched_epoch < log.last_epoch()
            && of.told.is_none()
            && !is_throttled()
    };
    let agreed = looked.iter().filter(at_once);
    agreed.map(|of| (of.part.tp, of.part.fetch_offset)).collect()
}

/// Positions of a fetch whose logs differ, as it comes, from those that are led here in the epochs that it names, and
/// what is to be told of that.
pub(super) fn differing(looked: &[Looked<'_>]) -> Vec<(TopicPartition, Offset, EpochEndOffset)> {
    let is_led = |of: &&Looked<'_>| {
        of.view.lead.is_some() && of.part.current_leader_epoch == of.view.leader_epoch
    };
    let differing = looked.iter().filter(is_led);
    differing.filter_map(|of| Some((of.part.tp, of.part.fetch_offset, of.told?))).collect()
}

/// Whether a replica has yet to hear of the epoch that a fetcher names, or, if it leads, that this one is a replica: who
/// is added by a reassignment may know of it before its leader does.
pub(super) fn knows_less(view: &ReplicaView<'_>, fetch: &FetchRequest, asked: LeaderEpoch) -> bool {
    let is_stranger = fetch.replica.is_some_and(|replica| {
        let is_other = |follower: &Follower| follower.id != replica.id;
        view.lead.as_ref().is_some_and(|lead| lead.followers.iter().all(is_other))
    });
    asked > view.leader_epoch || asked == view.leader_epoch && is_stranger
}

/// A partition's answer.
pub(super) fn answer(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    question: Question<'_>,
    part: &FetchPartitionResponse,
) {
    if let Some(view) = by.broker.replica_view(part.tp) {
        of_replica(says, by.node, &view, question, part);
    }
    if let (Some(nearest), Some(image)) = (part.preferred_read_replica, by.broker.metadata()) {
        let known = image.broker(nearest);
        let is_near = known.is_none_or(|known| known.rack == question.fetch.rack);
        says.rule(is_near, &|| {
            let rack = &question.fetch.rack;
            format!(
                "broker {} sends a consumer in {rack:?} to {nearest:?}, which is elsewhere",
                by.node
            )
        });
    }
}

/// Whether an answer sends a consumer elsewhere, and has not waited for a read of any partition: there are neither
/// records nor errors in it. What is read from remote storage may be left out of an answer.
pub(super) fn is_sent_on_at_once(by: Speaker<'_>, answer: &FetchResponse) -> bool {
    let is_sent_on = |part: &FetchPartitionResponse| part.preferred_read_replica.is_some();
    let is_bare = |part: &FetchPartitionResponse| part.records.is_empty() && part.error.is_ok();
    answer.partitions.iter().any(is_sent_on)
        && answer.partitions.iter().all(is_bare)
        && !by.broker.replica_views().any(|view| view.log.is_tiered())
}

/// A session does not keep what its fetcher has dropped.
pub(super) fn forgets(says: &mut Says<'_>, by: Speaker<'_>, fetch: &FetchRequest) {
    if fetch.forgotten.is_empty() || fetch.session_id == 0 {
        return;
    }
    let sessions = by.broker.fetch_sessions();
    let Some(session) = sessions.iter().find(|session| session.id == fetch.session_id) else {
        return;
    };
    let is_back = |tp: &TopicPartition| fetch.partitions.iter().any(|part| part.tp == *tp);
    let dropped = fetch.forgotten.iter().filter(|tp| !is_back(tp));
    for tp in dropped {
        says.rule(session.parts.iter().all(|part| part.tp != *tp), &|| {
            format!("broker {} keeps {tp:?} in fetch session {}", by.node, fetch.session_id)
        });
    }
}

/// What a replica may answer.
pub(super) fn of_replica(
    says: &mut Says<'_>,
    node: i32,
    view: &ReplicaView<'_>,
    question: Question<'_>,
    part: &FetchPartitionResponse,
) {
    let (epoch, asked) = (view.leader_epoch, question.position.current_leader_epoch);
    let offset = question.position.fetch_offset;
    match part.error {
        ErrorCode::None => {
            says.rule(asked <= epoch, &|| {
                format!("broker {node}, in epoch {epoch}, answers a fetcher of epoch {asked}")
            });
            state(says, node, view, question, part);
            leads_or_serves(says, node, view, question, part);
        }
        ErrorCode::FencedLeaderEpoch => says.rule(asked < epoch, &|| {
            format!("broker {node}, in epoch {epoch}, tells a fetcher of epoch {asked} that it is behind")
        }),
        ErrorCode::UnknownLeaderEpoch => {
            // other partitions may have been read meanwhile, while it heard of that (hunt seed 7302418), and of later
            // epochs (33008269): Kafka's errors are those of when it looked, too (`ReplicaManager.readFromLog`)
            let has_waited = !question.is_alone && question.unknown.contains(&(part.tp, asked));
            says.rule(knows_less(view, question.fetch, asked) || has_waited, &|| {
                format!(
                    "broker {node}, in epoch {epoch}, says that it does not know epoch {asked} yet"
                )
            });
        }
        ErrorCode::OffsetOutOfRange => out_of_range(says, node, view, question),
        _ => {}
    }
    if !part.error.is_ok() {
        return;
    }
    if let Some(told) = part.diverging_epoch {
        return where_it_differs(says, node, (view, question), (part, told));
    }
    if part.records.is_empty() {
        return;
    }
    records(says, node, (view, question), part);
    let follows = asked == epoch && view.lead.is_some();
    let diverges = is_told(view.log, question.position);
    let is_unproven = diverges == Some(EpochEndOffset { epoch: NO_EPOCH, end_offset: offset });
    let was_proven = is_unproven && question.has_agreed;
    says.rule(!follows || diverges.is_none() || was_proven, &|| {
        format!(
            "broker {node} sends records from offset {offset} to a fetcher whose last epoch is {}, \
             and whose log differs: {diverges:?}",
            question.position.last_fetched_epoch
        )
    });
}

/// A fetcher is told where its log differs from this one: by the epochs of this log.
fn where_it_differs(
    says: &mut Says<'_>,
    node: i32,
    (view, question): (&ReplicaView<'_>, Question<'_>),
    (part, told): (&FetchPartitionResponse, EpochEndOffset),
) {
    let position = question.position;
    let diverges = is_told(view.log, position);
    // the answer waited for a read of other partitions; what it compared was deleted meanwhile
    let was_deleted = part.log_start_offset < view.log.log_start_offset();
    // or this one has followed others meanwhile, and cut its log (hunt seed 41002473): in the epoch that the fetcher
    // named it was right. So in Kafka's answer: what is found of one partition stays while the next ones are read
    // (`ReplicaManager.readFromLog`), and who leads, or follows another one, by then drops it
    let is_over = position.current_leader_epoch < view.leader_epoch;
    let was_right = is_over && !question.is_alone && question.differed == Some(told);
    says.rule(diverges == Some(told) || was_deleted || was_right, &|| {
        format!(
            "broker {node} tells a follower at offset {}, whose last epoch is {}, that it \
             diverges: {told:?}; by the log's epochs it is {diverges:?}",
            position.fetch_offset, position.last_fetched_epoch
        )
    });
}

/// Followers answer consumers that know of racks (KIP-392). Nobody else is sent elsewhere, and nobody is sent
/// back to who answers, nor to who is not in sync: that one may stay behind, and the consumer with it, as it would be
/// sent there again and again (KAFKA-14372).
fn leads_or_serves(
    says: &mut Says<'_>,
    node: i32,
    view: &ReplicaView<'_>,
    question: Question<'_>,
    part: &FetchPartitionResponse,
) {
    let is_near = question.fetch.replica.is_none() && question.fetch.rack.is_some();
    let has_records = !part.records.is_empty();
    // what was read in another epoch may have waited for remote storage to be read, too (hunt seed 7100282)
    let is_of_epoch = question.position.current_leader_epoch == view.leader_epoch;
    says.rule(view.lead.is_some() || is_near || !has_records || !is_of_epoch, &|| {
        format!("broker {node} sends records of {:?}, which it does not lead", part.tp)
    });
    let Some(nearest) = part.preferred_read_replica else { return };
    // by what that one has told its leader, the consumer finds there what it looks for; with others it may have waited
    let offset = question.position.fetch_offset;
    let has = |of: &Follower| !question.is_alone || (of.log_start..=of.log_end).contains(&offset);
    let is_there = view.lead.as_ref().is_none_or(|lead| {
        let is_in_sync = !question.is_at_once || lead.isr.contains(&nearest);
        is_in_sync && lead.followers.iter().any(|of| of.id == nearest && has(of))
    });
    let is_right = is_near && !has_records && nearest.0 != node && is_there;
    says.rule(is_right, &|| {
        format!("broker {node} sends a consumer in {:?} to {nearest:?}", question.fetch.rack)
    });
}

/// The state that comes with an answer.
fn state(
    says: &mut Says<'_>,
    node: i32,
    view: &ReplicaView<'_>,
    question: Question<'_>,
    part: &FetchPartitionResponse,
) {
    let start = view.log.log_start_offset();
    let told = (part.log_start_offset, part.high_watermark, part.last_stable_offset);
    let (log_start, high_watermark, last_stable) = told;
    // it was so before a cut, while other partitions were read (hunt seed 28002533); so in Kafka's answer
    // (`DelayedRemoteFetch`)
    let had = question.had.filter(|_| !question.is_alone);
    let was_so = had.is_some_and(|had| high_watermark <= had);
    says.rule(high_watermark <= view.high_watermark || was_so, &|| {
        format!(
            "broker {node} tells high watermark {high_watermark}, but has {}",
            view.high_watermark
        )
    });
    says.rule(log_start <= start, &|| {
        format!("broker {node} tells log start {log_start}, but has {start}")
    });
    says.rule(last_stable <= high_watermark, &|| {
        format!("broker {node} tells last stable offset {last_stable} above {high_watermark}")
    });
}

/// Records follow each other, the first batch holds what was asked for, none is beyond what the
/// fetcher may see, and each is of the epoch that the log has there.
fn records(
    says: &mut Says<'_>,
    node: i32,
    (view, question): (&ReplicaView<'_>, Question<'_>),
    part: &FetchPartitionResponse,
) {
    let offset = question.position.fetch_offset;
    let is_follower = question.fetch.replica.is_some();
    let limit = if is_follower { view.log.log_end_offset() } else { view.high_watermark };
    let mut next: Option<Offset> = None;
    for batch in part.records.batches() {
        let base = batch.base_offset();
        let follows = match next {
            Some(next) => base == next || base > next && !says.is_gapless,
            None => {
                (base..batch.next_offset()).contains(&offset) || base > offset && !says.is_gapless
            }
        };
        says.rule(follows, &|| {
            let expected = next.unwrap_or(offset);
            format!("broker {node} sends a batch at offset {base} where {expected} is expected")
        });
        next = Some(batch.next_offset());
        let (epoch, known) = (batch.header.partition_leader_epoch, view.log.epoch_at(base));
        let is_of_epoch = question.position.current_leader_epoch == view.leader_epoch;
        let unknown = known == NO_EPOCH || view.lead.is_none() || !is_of_epoch;
        says.rule(epoch == known || unknown, &|| {
            format!("broker {node} sends offset {base} of epoch {epoch}, its log has {known} there")
        });
    }
    let end = next.unwrap_or(offset);
    // a read may outlast the leadership that it began in (hunt seed 78067); consumers read from followers, too
    let is_of_epoch = question.position.current_leader_epoch == view.leader_epoch;
    let has_limit = is_of_epoch && (view.lead.is_some() || !is_follower);
    says.rule(end <= limit || !has_limit, &|| {
        format!("broker {node} sends records up to {end}, but its fetcher may see up to {limit}")
    });
    let first = part.records.batches().first().map_or(0, |batch| batch.size_bytes());
    let max = question.position.max_bytes.max(0).unsigned_abs().max(first);
    says.rule(part.records.size_bytes() <= max, &|| {
        format!("broker {node} sends {} bytes, asked for at most {max}", part.records.size_bytes())
    });
}

/// What a fetch must be told of where its logs differ.
pub(crate) fn is_told(log: &Log, asked: &FetchPartition) -> Option<EpochEndOffset> {
    diverging(log, asked.last_fetched_epoch, (asked.log_start_offset, asked.fetch_offset))
}

fn out_of_range(says: &mut Says<'_>, node: i32, view: &ReplicaView<'_>, question: Question<'_>) {
    let position = question.position;
    let (start, end) = (view.log.log_start_offset(), view.log.log_end_offset());
    let offset = position.fetch_offset;
    let unknown = is_told(view.log, position);
    // whose log differs is told where, unless what it would be compared with is gone
    let differs = offset >= start && unknown.is_some_and(|end| end.end_offset >= 0);
    let is_outside = !(start..=end).contains(&offset) && !differs;
    // a follower hears of copies, and of their end, later than the leader that sent the consumer (hunt seed 8003589)
    let is_remote = view.lead.is_none() && offset < view.log.local_log_start_offset();
    // what it was told of waits for reads of other partitions, and its log may grow meanwhile (hunt seeds 17003852
    // and 25001707); so does Kafka's answer (`DelayedRemoteFetch`)
    let has_waited = question.was_outside && !question.is_alone;
    let is_gone = unknown.is_some_and(|end| end.end_offset < 0);
    let holds = is_outside || is_remote || is_gone || has_waited;
    says.rule(holds, &|| {
        format!(
            "broker {node} says that offset {offset} is outside its log, which is {start}..{end}"
        )
    });
}

/// Where a fetcher's log leaves this one, by the epochs alone: the largest epoch that is not above
/// its last one must be that epoch, and reach as far as it. A follower that goes on where this log begins
/// must have an epoch of this log, or nothing.
pub(crate) fn diverging(
    log: &Log,
    last_epoch: LeaderEpoch,
    (start, offset): (Offset, Offset),
) -> Option<EpochEndOffset> {
    if last_epoch == NO_EPOCH {
        return None;
    }
    let end = epoch_end(log, last_epoch);
    if end.epoch < last_epoch || end.end_offset < offset {
        return Some(end);
    }
    let is_known = log.epoch_entries().iter().any(|entry| entry.epoch <= last_epoch);
    let is_unproven = start >= 0 && start < offset && offset == log.log_start_offset() && !is_known;
    is_unproven.then_some(EpochEndOffset { epoch: NO_EPOCH, end_offset: offset })
}

/// Where an epoch ends in a log, by its entries: the start of the first later one, or the log's end.
pub(super) fn epoch_end(log: &Log, asked: LeaderEpoch) -> EpochEndOffset {
    let entries = log.epoch_entries();
    let newest = entries.last().map_or(NO_EPOCH, |entry| entry.epoch);
    if asked < 0 || asked > newest {
        return EpochEndOffset { epoch: NO_EPOCH, end_offset: -1 };
    }
    // who asks is in one of the last as a rule: the search begins there
    let known = entries.iter().rposition(|entry| entry.epoch <= asked);
    let later = entries.get(known.map_or(0, |at| at + 1));
    let known = known.map(|at| &entries[at]);
    let start = known.map_or(0, |entry| entry.start_offset);
    let end_offset = later.map_or(log.log_end_offset().max(start), |entry| entry.start_offset);
    EpochEndOffset { epoch: known.map_or(asked, |entry| entry.epoch), end_offset }
}
