//! A rolling hash over everything that happened, so that two runs can be compared at any point.
//! It leaves out contents: callers mix in the words that tell one event from another.
//!
//! Step: `h <- (rotate(h, 5) xor word) * odd`. For a given `h` the step is one to one in `word`,
//! so two histories that differ in a single word differ in the hash, until and unless a later
//! difference cancels it (probability 2^-64). Not cryptographic.

/// The hash after so many events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Events so far, the last one included.
    pub events: u64,
    /// Time of the last event, ns.
    pub at_ns: u64,
    /// Hash over all events.
    pub global: u64,
    /// Hash over the events of each node.
    pub nodes: Vec<u64>,
}

/// One event, kept when the audit was told to look closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventMark {
    /// Which event, counted from 1.
    pub index: u64,
    /// Its time, ns.
    pub at_ns: u64,
    /// Its node.
    pub node: usize,
    /// The caller's code for what it was.
    pub kind: u64,
    /// Global hash with time, node and kind mixed in, and before the words that follow them.
    pub hash: u64,
}

/// Where two runs part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The runs agree up to and including this many events.
    pub agree_events: u64,
    /// The first difference is at or before this event.
    pub differ_events: u64,
    /// Earlier of the two runs' times at the differing checkpoint, ns.
    pub at_ns: u64,
    /// Nodes whose hashes differ there.
    pub nodes: Vec<usize>,
}

/// The audit of one run.
#[derive(Debug)]
pub struct Audit {
    global: u64,
    nodes: Vec<u64>,
    node: usize,
    events: u64,
    at_ns: u64,
    every: u64,
    next_checkpoint: u64,
    checkpoints: Vec<Checkpoint>,
    close_up: std::ops::Range<u64>,
    marks: Vec<EventMark>,
}

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
const START: u64 = 0x5354_4F52_4D47_4C41;

fn step(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(ODD)
}

impl Audit {
    /// An audit of `nodes` nodes with a checkpoint every `every` events; 0 means none.
    #[must_use]
    pub fn new(nodes: usize, every: u64) -> Self {
        Self {
            global: START,
            nodes: vec![START; nodes],
            node: 0,
            events: 0,
            at_ns: 0,
            every,
            next_checkpoint: if every == 0 { u64::MAX } else { every },
            checkpoints: Vec::new(),
            close_up: 0..0,
            marks: Vec::new(),
        }
    }

    /// Keeps an [`EventMark`] of each event whose index is in `events`: the second look, once
    /// checkpoints have shown where two runs part.
    #[must_use]
    pub fn with_close_up(mut self, events: std::ops::Range<u64>) -> Self {
        self.close_up = events;
        self
    }

    /// Begins the next event. `kind` is the caller's code for what it is.
    pub fn event(&mut self, at_ns: u64, node: usize, kind: u64) {
        assert!(at_ns >= self.at_ns, "events are audited in order of time");
        assert!(node < self.nodes.len(), "node {node} is not audited");
        if self.events == self.next_checkpoint {
            self.checkpoint();
        }
        self.events += 1;
        self.at_ns = at_ns;
        self.node = node;
        self.mix(&[at_ns, (node as u64) << 32 ^ kind]);
        if self.close_up.contains(&self.events) {
            let hash = self.global;
            self.marks.push(EventMark { index: self.events, at_ns, node, kind, hash });
        }
    }

    /// Adds words to the current event.
    #[inline]
    pub fn mix(&mut self, words: &[u64]) {
        let node = &mut self.nodes[self.node];
        for &word in words {
            self.global = step(self.global, word);
            *node = step(*node, word);
        }
    }

    /// Number of events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Hash over all events so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        step(step(self.global, self.events), self.at_ns)
    }

    /// Hash over the events of `node` so far.
    #[must_use]
    pub fn node_hash(&self, node: usize) -> u64 {
        self.nodes[node]
    }

    /// Marks of the close-up.
    #[must_use]
    pub fn marks(&self) -> &[EventMark] {
        &self.marks
    }

    /// Ends the audit: all checkpoints, with one for the end.
    #[must_use]
    pub fn into_checkpoints(mut self) -> Vec<Checkpoint> {
        self.checkpoint();
        self.checkpoints
    }

    fn checkpoint(&mut self) {
        self.checkpoints.push(Checkpoint {
            events: self.events,
            at_ns: self.at_ns,
            global: self.global,
            nodes: self.nodes.clone(),
        });
        self.next_checkpoint = self.events.saturating_add(self.every.max(1));
    }
}

/// Where two runs with the same checkpoint distance part; `None` if they are equal.
#[must_use]
pub fn first_divergence(a: &[Checkpoint], b: &[Checkpoint]) -> Option<Divergence> {
    let agree = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    if agree == a.len() && agree == b.len() {
        return None;
    }
    let agree_events = if agree == 0 { 0 } else { a[agree - 1].events };
    let ends = [a.get(agree), b.get(agree)];
    let present = ends.iter().flatten();
    let nodes = match ends {
        [Some(a), Some(b)] => {
            let count = a.nodes.len().max(b.nodes.len());
            (0..count).filter(|&node| a.nodes.get(node) != b.nodes.get(node)).collect()
        }
        _ => Vec::new(),
    };
    Some(Divergence {
        agree_events,
        differ_events: present.clone().map(|c| c.events).max().unwrap_or(agree_events),
        at_ns: present.map(|c| c.at_ns).min().unwrap_or(0),
        nodes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(events: u64, odd_one: Option<u64>) -> Vec<Checkpoint> {
        let mut audit = Audit::new(3, 10);
        for i in 1..=events {
            audit.event(i * 100, (i % 3) as usize, 1);
            audit.mix(&[if Some(i) == odd_one { 1 } else { 0 }]);
        }
        audit.into_checkpoints()
    }

    #[test]
    fn equal_runs_agree() {
        assert_eq!(first_divergence(&run(95, None), &run(95, None)), None);
    }

    #[test]
    fn one_word_is_found_between_its_checkpoints() {
        let found = first_divergence(&run(95, None), &run(95, Some(44))).unwrap();
        assert_eq!((found.agree_events, found.differ_events), (40, 50));
        assert_eq!(found.nodes, [44 % 3]);
        assert_eq!(found.at_ns, 5_000);
    }

    #[test]
    fn a_run_that_stops_early_diverges_at_its_end() {
        let found = first_divergence(&run(95, None), &run(62, None)).unwrap();
        assert_eq!((found.agree_events, found.differ_events), (60, 70));
        let found = first_divergence(&run(0, None), &run(62, None)).unwrap();
        assert_eq!(found.agree_events, 0);
    }

    #[test]
    fn the_close_up_names_the_first_event_that_differs() {
        let marks = |odd_one: u64| {
            let mut audit = Audit::new(1, 0).with_close_up(41..51);
            for i in 1..=95 {
                audit.event(i * 100, 0, if i == odd_one { 7 } else { 1 });
            }
            audit.marks().to_vec()
        };
        let (a, b) = (marks(0), marks(44));
        assert_eq!(a.len(), 10);
        let first = a.iter().zip(&b).find(|(a, b)| a != b).map(|(a, b)| (a.index, b.kind));
        assert_eq!(first, Some((44, 7)));
    }

    #[test]
    fn order_matters() {
        let hash = |words: [u64; 2]| {
            let mut audit = Audit::new(1, 0);
            audit.event(1, 0, 0);
            audit.mix(&words);
            audit.hash()
        };
        assert_ne!(hash([1, 2]), hash([2, 1]));
    }
}
