//! The same questions to two brokers, and what they answer differently.

use super::peer::{Answer, Peer};
use super::tree::Tree;
use crate::conformance::apache::pause;
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::Request;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Tries before something that takes a moment counts as failed.
const TRIES: usize = 200;

/// A field that the two answer differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Difference {
    /// What was asked.
    pub(super) question: &'static str,
    /// Path of the field in the answer, or what became of the answer.
    pub(super) field: String,
    pub(super) ours: String,
    pub(super) theirs: String,
}

/// What was compared.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) questions: usize,
    pub(super) answers: usize,
    pub(super) fields: usize,
}

/// Two brokers in the same state.
pub(super) struct Script {
    pub(super) ours: Peer,
    pub(super) theirs: Peer,
    /// Differences with the versions in which they were seen.
    pub(super) found: BTreeMap<Difference, Vec<i16>>,
    pub(super) tally: Tally,
}

impl Script {
    pub(super) fn new(ours: Peer, theirs: Peer) -> Self {
        Self { ours, theirs, found: BTreeMap::new(), tally: Tally::default() }
    }

    /// Asks both in every version that both serve and that can be written.
    pub(super) fn every<R: Request>(
        &mut self,
        question: &'static str,
        request: impl Fn(&Peer, i16) -> R,
    ) where
        R::Response: Debug,
    {
        self.tally.questions += 1;
        for version in self.versions::<R>() {
            self.ask(question, version, &request);
        }
    }

    /// Asks both in the newest version that both serve, for questions that change something.
    pub(super) fn once<R: Request>(
        &mut self,
        question: &'static str,
        request: impl Fn(&Peer, i16) -> R,
    ) -> Option<(R::Response, R::Response)>
    where
        R::Response: Debug,
    {
        self.tally.questions += 1;
        let version = self.versions::<R>().last()?;
        self.ask(question, version, &request)
    }

    /// Asks both in one version.
    pub(super) fn in_version<R: Request>(
        &mut self,
        question: &'static str,
        version: i16,
        request: impl Fn(&Peer) -> R,
    ) where
        R::Response: Debug,
    {
        self.tally.questions += 1;
        if self.versions::<R>().contains(&version) {
            self.ask(question, version, &|peer: &Peer, _| request(peer));
        }
    }

    /// What each of the two was given, by whom it was given.
    pub(super) fn own_of<T: Clone>(&self, ours: T, theirs: T) -> impl Fn(&Peer) -> T + use<T> {
        let address = self.ours.address().to_owned();
        move |peer| if peer.address() == address { ours.clone() } else { theirs.clone() }
    }

    /// Asks both, without comparing, until both are content with the answer.
    ///
    /// # Errors
    /// One of them never is.
    pub(super) fn until<R: Request>(
        &mut self,
        what: &str,
        request: impl Fn(&Peer, i16) -> R,
        content: impl Fn(&mut Peer, R::Response) -> bool,
    ) -> Result<(), String>
    where
        R::Response: Debug,
    {
        let version =
            self.versions::<R>().last().ok_or_else(|| format!("{what}: not served by both"))?;
        for peer in [&mut self.ours, &mut self.theirs] {
            let mut last = String::new();
            let mut tries = 0..TRIES;
            let mut done = false;
            while !done && tries.next().is_some() {
                let question = request(peer, version);
                match peer.ask(version, &question) {
                    Answer::Said(answer) => {
                        last = format!("{answer:?}");
                        done = content(peer, answer);
                    }
                    other => last = format!("{other:?}"),
                }
                if !done {
                    pause();
                }
            }
            if !done {
                return Err(format!("{what}: still {last}"));
            }
        }
        Ok(())
    }

    /// Versions that both serve and that the codec has.
    fn versions<R: Request>(&self) -> std::ops::RangeInclusive<i16> {
        let (ours, theirs) = (self.ours.served(R::KEY), self.theirs.served(R::KEY));
        match ours.zip(theirs) {
            Some((ours, theirs)) => {
                let low = ours.0.max(theirs.0).max(R::VERSIONS.min);
                low..=ours.1.min(theirs.1).min(R::VERSIONS.max)
            }
            #[expect(clippy::reversed_empty_ranges, reason = "no version at all")]
            None => 1..=0,
        }
    }

    fn ask<R: Request>(
        &mut self,
        question: &'static str,
        version: i16,
        request: &impl Fn(&Peer, i16) -> R,
    ) -> Option<(R::Response, R::Response)>
    where
        R::Response: Debug,
    {
        let ours = request(&self.ours, version);
        let ours = self.ours.ask(version, &ours);
        let theirs = request(&self.theirs, version);
        let theirs = self.theirs.ask(version, &theirs);
        self.tally.answers += 1;
        let (left, right) = (leaves(&ours), leaves(&theirs));
        self.tally.fields += right.len();
        let fields: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        for field in fields {
            let (left, right) = (left.get(field), right.get(field));
            if left != right {
                let said = |leaf: Option<&String>| leaf.map_or("nothing".to_owned(), Clone::clone);
                let (ours, theirs) = (said(left), said(right));
                let difference = Difference { question, field: field.clone(), ours, theirs };
                self.found.entry(difference).or_default().push(version);
            }
        }
        match (ours, theirs) {
            (Answer::Said(ours), Answer::Said(theirs)) => Some((ours, theirs)),
            _ => None,
        }
    }
}

/// All fields of an answer; one named `outcome` if there is none.
fn leaves<T: Debug>(answer: &Answer<T>) -> BTreeMap<String, String> {
    let outcome = |text: &str| BTreeMap::from([("outcome".to_owned(), text.to_owned())]);
    match answer {
        Answer::Closed => outcome("the connection is closed"),
        Answer::Failed(why) => outcome(why),
        Answer::Said(answer) => {
            let mut leaves = Tree::read(&format!("{answer:?}")).normal().leaves();
            for (field, leaf) in &mut leaves {
                if field.ends_with("error_code") {
                    *leaf = error_name(leaf);
                }
            }
            leaves
        }
    }
}

/// An error code with its name.
fn error_name(code: &str) -> String {
    let named = code.parse().ok().and_then(ResponseError::try_from_code);
    named.map_or_else(|| code.to_owned(), |error| format!("{error:?} ({code})"))
}
