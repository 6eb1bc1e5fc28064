//! Topics that members read, and targets: what a group epoch and an assignment epoch stand for.

use super::assignor::{Assignor, Candidate, Sizes};
use super::draft::Draft;
use super::hash;
use super::heartbeat::Given;
use super::refusal::Refusal;
use super::settings::ConsumerSettings;
use super::state::{Change, GroupEpoch, Resolved, State};
use crate::error::ErrorCode;
use crate::metadata::{MetadataImage, TopicImage};
use crate::pattern::whole;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A regular expression that matches whole names of topics.
pub(super) fn compile(regex: &str) -> Result<Regex, Refusal> {
    whole(regex).map_err(|error| {
        let message =
            format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {error}.");
        Refusal::new(ErrorCode::InvalidRegularExpression, &message)
    })
}

/// Looks at the topics again. The group gets a new epoch if they changed, or if `bump` says so
/// (`GroupMetadataManager.updateSubscriptionMetadata`).
pub(super) fn refresh(draft: &mut Draft<'_>, given: &Given<'_>, bump: bool) {
    let hash = look(draft, given);
    if bump || hash != draft.state().metadata_hash {
        bump_epoch(draft, hash);
    }
    if draft.state().has_topics_record {
        draft.put(Change::Topics(None));
    }
}

/// Finds out what members read now. The hash of it.
pub(super) fn look(draft: &mut Draft<'_>, given: &Given<'_>) -> i64 {
    resolve_regexes(draft, given);
    metadata_hash(draft.state(), given.image)
}

/// The group is another one now: its targets must be found anew.
pub(super) fn bump_epoch(draft: &mut Draft<'_>, metadata_hash: i64) {
    let epoch = draft.state().group_epoch + 1;
    draft.put(Change::Group(Some(GroupEpoch { epoch, metadata_hash })));
}

/// Topics that members read, as far as they exist, by name.
pub(super) fn read_by_members<'a>(
    state: &State,
    image: &'a MetadataImage,
) -> BTreeMap<&'a str, &'a TopicImage> {
    let names: BTreeSet<&Arc<str>> =
        state.members.values().flat_map(|m| state.topics_of(&m.subscription)).collect();
    let known = names.into_iter().filter_map(|name| image.topic_named(name));
    known.map(|topic| (&*topic.name, topic)).collect()
}

/// The hash of topics that members read, as they are.
pub(super) fn metadata_hash(state: &State, image: &MetadataImage) -> i64 {
    hash::of_topics(image, read_by_members(state, image).into_values())
}

/// How many partitions a topic has.
pub(super) fn size(topic: &TopicImage) -> i32 {
    i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)
}

/// Finds out which topics regular expressions match now, and forgets those that nobody uses.
fn resolve_regexes(draft: &mut Draft<'_>, given: &Given<'_>) {
    let state = draft.state();
    let used = state.members.values().filter_map(|m| m.subscription.regex.clone());
    let used: BTreeSet<Arc<str>> = used.collect();
    let unused: Vec<_> = state.regexes.keys().filter(|r| !used.contains(*r)).cloned().collect();
    for regex in unused {
        draft.put(Change::Regex(regex, None));
    }
    for regex in used {
        // what does not compile has been refused, or is from another version's log
        let Ok(compiled) = given.compiled(&regex) else { continue };
        let matched = given.image.topics().filter(|topic| compiled.is_match(&topic.name));
        let topics: BTreeSet<_> = matched.map(|topic| Arc::clone(&topic.name)).collect();
        if draft.state().regexes.get(&regex).map(|resolved| &resolved.topics) != Some(&topics) {
            let resolved = Resolved { topics, version: given.image.offset(), at_ms: given.wall_ms };
            draft.put(Change::Regex(regex, Some(resolved)));
        }
    }
}

/// Finds new targets for all members.
pub(super) fn assign(draft: &mut Draft<'_>, given: &Given<'_>) {
    let state = draft.state();
    let topics = read_by_members(state, given.image);
    let sizes: Sizes = topics.values().map(|topic| (topic.id, size(topic))).collect();
    let candidates: Vec<_> = state
        .members
        .iter()
        .map(|(id, member)| Candidate {
            id: Arc::clone(id),
            instance: member.subscription.instance.clone(),
            topics: state
                .topics_of(&member.subscription)
                .filter_map(|name| Some(topics.get(&**name)?.id))
                .collect(),
            target: state.targets.get(id).cloned().unwrap_or_default(),
        })
        .collect();
    let epoch = state.group_epoch;
    let targets = preferred(state, given.settings).assign(&candidates, &sizes);
    for (id, target) in targets {
        if draft.state().targets.get(&id).is_none_or(|known| **known != target) {
            draft.put(Change::Target(id, Some(Arc::new(target))));
        }
    }
    draft.put(Change::TargetEpoch(Some(epoch)));
}

/// The assignor that most members ask for; of equals the one that comes first in
/// `group.consumer.assignors`, and the first of all when nobody asks for one.
pub(super) fn preferred(state: &State, settings: &ConsumerSettings) -> Assignor {
    let wanted = |assignor: Assignor| {
        let choices = state.members.values().filter_map(|m| m.subscription.assignor.as_deref());
        choices.filter(|name| *name == assignor.name()).count()
    };
    let votes = settings.assignors.iter().map(|assignor| (wanted(*assignor), *assignor));
    let best = votes.rev().max_by_key(|(count, _)| *count);
    best.map_or(Assignor::Uniform, |(_, assignor)| assignor)
}
