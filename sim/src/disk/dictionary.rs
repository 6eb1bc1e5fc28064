//! Names for what many batches of a store have in common: body templates and producers.

use super::cold_bytes::ColdBytes;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use stormglass_broker_core::records::BodyTemplate;

/// Indexes are given in order of first use, so that they are the same in every run.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    templates: Vec<Arc<BodyTemplate>>,
    /// By address: the template is kept alive above, so that none is reused. Looked up only.
    template_index: FxHashMap<usize, u32>,
    producers: Vec<(i64, i16)>,
    producer_index: FxHashMap<(i64, i16), u32>,
    /// Asked for last, as most batches of a store are of one shape.
    last_template: Option<(usize, u32)>,
    scratch: Vec<u8>,
    /// The packed batches themselves.
    pub(super) cold: ColdBytes,
    /// Batches of this store are not packed.
    pub(super) keeps_whole: bool,
}

impl Dictionary {
    /// An empty buffer, to be given back.
    pub(crate) fn take_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// Keeps a buffer for the next user.
    pub(crate) fn give_back(&mut self, mut scratch: Vec<u8>) {
        scratch.clear();
        self.scratch = scratch;
    }

    pub(crate) fn template_index(&mut self, template: &Arc<BodyTemplate>) -> u32 {
        let address = Arc::as_ptr(template).addr();
        match self.last_template {
            Some((last, index)) if last == address => return index,
            _ => {}
        }
        let templates = &mut self.templates;
        let index = *self.template_index.entry(address).or_insert_with(|| {
            templates.push(Arc::clone(template));
            index_of_last(templates.len())
        });
        self.last_template = Some((address, index));
        index
    }

    pub(crate) fn template(&self, index: u32) -> &Arc<BodyTemplate> {
        &self.templates[index as usize]
    }

    pub(crate) fn producer_index(&mut self, id: i64, epoch: i16) -> u32 {
        let producers = &mut self.producers;
        *self.producer_index.entry((id, epoch)).or_insert_with(|| {
            producers.push((id, epoch));
            index_of_last(producers.len())
        })
    }

    pub(crate) fn producer(&self, index: u32) -> (i64, i16) {
        self.producers[index as usize]
    }
}

fn index_of_last(len: usize) -> u32 {
    u32::try_from(len - 1).expect("fewer than 2^32 templates and producers")
}
