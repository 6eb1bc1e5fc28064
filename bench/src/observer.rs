//! Who hears of everything: puts it into the recorder second by second, and ends the run.

use crate::consumer::Got;
use crate::ledger::Ledger;
use crate::producer::{Fate, Sent, place, topic_id};
use crate::run::{Shared, TICK};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_reports::recording::Recording;
use stormglass_reports::result::phase_at;
use stormglass_scenarios::plan::{PhasesPlan, Plan};
use stormglass_sim::client::{BatchDone, FailReason, Outcome, RecordTimes};
use stormglass_sim::recorder::{Finish, Recorder, SecondGauges};

const SECOND_NS: u64 = 1_000_000_000;

/// What clients tell.
pub(crate) enum Report {
    /// What became of records of a producer group, and when.
    Produced { group: usize, topic: TopicId, records: Vec<(Sent, u64, Fate)> },
    /// Records that were due, with their sizes, and were never handed over.
    Unsent(Vec<(u64, u32)>),
    /// What a member of a consumer group got.
    Consumed { group: usize, records: Vec<Got> },
    /// Something that goes wrong, in words.
    Trouble(String),
}

/// Hears, counts, and decides when the run is over.
pub(crate) struct Observer {
    recorder: Recorder,
    ledger: Ledger,
    phases: PhasesPlan,
    groups: usize,
    assumptions: Vec<String>,
    /// What went wrong, and how often.
    troubles: BTreeMap<String, u64>,
    second: u32,
    heard: u64,
    interrupted: bool,
}

impl Observer {
    pub(crate) fn new(plan: &Plan, assumptions: Vec<String>) -> Self {
        let mut recorder = Recorder::new(plan);
        for topic in &plan.topics {
            recorder.topic(topic_id(plan, &topic.name), &Arc::from(topic.name.as_str()));
        }
        let groups = plan.consumers.iter().map(|group| {
            let reads = plan.producers.iter().enumerate();
            let reads = reads.filter(|(_, producer)| group.topics.contains(&producer.topic));
            (group.group.clone(), reads.map(|(place, _)| place).collect())
        });
        Self {
            ledger: Ledger::new(plan.producers.len(), groups.collect()),
            groups: plan.consumers.len(),
            recorder,
            phases: plan.phases,
            assumptions,
            troubles: BTreeMap::new(),
            second: 0,
            heard: 0,
            interrupted: false,
        }
    }

    /// Until everything is consumed, or the drain is over.
    pub(crate) fn watch(
        &mut self,
        shared: &Shared,
        inbox: &Receiver<Report>,
        (interrupt, sending): (&AtomicBool, &AtomicUsize),
        mut progress: impl FnMut(u64),
    ) {
        let ends_ns = self.phases.ends_ns();
        loop {
            match inbox.recv_timeout(TICK) {
                Ok(report) => self.hear(report),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now_ns = shared.now_ns();
            while u64::from(self.second + 1) * SECOND_NS <= now_ns {
                self.end_second();
                progress(u64::from(self.second) * SECOND_NS);
            }
            if interrupt.load(Ordering::Relaxed) {
                self.interrupted = true;
                shared.producers_end.store(true, Ordering::Release);
                shared.consumers_end.store(true, Ordering::Release);
            }
            let sent = sending.load(Ordering::Acquire) == 0;
            if sent && (now_ns >= ends_ns || self.ledger.is_drained()) {
                shared.consumers_end.store(true, Ordering::Release);
            }
        }
    }

    /// Everything measured.
    pub(crate) fn finish(mut self, shared: &Shared) -> Recording {
        self.end_second();
        let sim_ns = u64::from(self.second) * SECOND_NS;
        let (checkers, violations, lost_records) = self.ledger.verdict(shared.now_ns());
        if self.ledger.duplicates() > 0 {
            let more = self.ledger.duplicates();
            self.assumptions
                .push(format!("{more} records were delivered to a group more than once"));
        }
        for (trouble, count) in &self.troubles {
            self.assumptions.push(format!("{count} times: {trouble}"));
        }
        self.recorder.finish(Finish {
            checkers,
            violations,
            lost_records,
            events_processed: self.heard,
            sim_ns,
            interrupted: self.interrupted,
            assumptions: self.assumptions,
            ..Finish::default()
        })
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Produced { group, topic, records } => {
                for (sent, at_ns, fate) in records {
                    self.produced((group, topic), sent, at_ns, fate);
                }
            }
            Report::Unsent(records) => {
                for (intended_ns, bytes) in records {
                    self.recorder.offered(intended_ns, 1, u64::from(bytes));
                }
            }
            Report::Consumed { group, records } => {
                for got in records {
                    self.consumed(group, got);
                }
            }
            Report::Trouble(trouble) => *self.troubles.entry(trouble).or_default() += 1,
        }
    }

    fn produced(&mut self, (group, topic): (usize, TopicId), sent: Sent, at_ns: u64, fate: Fate) {
        self.heard += 1;
        let Sent { tag, intended_ns, handed_ns, bytes } = sent;
        let (Ok((partition, _)) | Err((partition, _))) = &fate;
        let done = BatchDone {
            tp: place(topic, *partition),
            base_offset: fate.as_ref().map_or(-1, |(_, offset)| *offset),
            batch: None,
            tag,
            records: vec![RecordTimes { intended_ns, handed_ns }],
            raw_bytes: u64::from(bytes),
            first_sent_ns: handed_ns,
            sent_ns: handed_ns,
            done_ns: at_ns,
            retries: 0,
            ambiguous: fate.is_err(),
            broker: NodeId(-1),
            correlation: 0,
        };
        let outcome = match fate {
            Ok((_, offset)) => {
                self.ledger.acked(group, tag, (done.tp, offset));
                Outcome::Acked(done)
            }
            Err((_, error)) => {
                *self.troubles.entry(error.to_string()).or_default() += 1;
                Outcome::Failed(done, FailReason::DeliveryTimeout)
            }
        };
        self.recorder.produced(group, &outcome);
    }

    fn consumed(&mut self, group: usize, got: Got) {
        self.heard += 1;
        self.ledger.got(group, got.tag, (got.tp, got.offset));
        self.recorder.delivered_record(group, (got.tp.topic, got.tag), got.at_ns, got.bytes);
    }

    fn end_second(&mut self) {
        let phase = phase_at(&self.phases, u64::from(self.second) * SECOND_NS);
        let lags = (0..self.groups).map(|group| self.ledger.lag(group));
        self.recorder.end_of_second(SecondGauges {
            index: self.second,
            phase,
            brokers: Vec::new(),
            lags: lags.collect(),
            offline_partitions: 0,
            controller: None,
        });
        self.second += 1;
    }
}
