//! What tools ask of transactions (KIP-664): DescribeTransactions and ListTransactions.

use super::coordinator::TransactionCoordinator;
use super::state::Values;
use crate::error::ErrorCode;
use crate::metadata::MetadataImage;
use crate::pattern::whole;
use crate::protocol::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, DescribedTransaction,
    ListTransactionsRequest, ListTransactionsResponse, TransactionState,
};
use std::collections::BTreeMap;
use std::sync::Arc;

impl TransactionCoordinator {
    /// DescribeTransactions.
    pub(crate) fn describe(
        &mut self,
        image: &MetadataImage,
        request: &DescribeTransactionsRequest,
    ) -> DescribeTransactionsResponse {
        let describe = |id: &Arc<str>| {
            let found = self.ready(image, id).and_then(|partition| {
                let known = self.find(partition, id).ok_or(ErrorCode::TransactionalIdNotFound)?;
                Ok(described(&known.values))
            });
            (Arc::clone(id), found)
        };
        let transactions = request.transactional_ids.iter().map(describe).collect();
        DescribeTransactionsResponse { transactions }
    }

    /// ListTransactions.
    pub(crate) fn list(
        &self,
        request: &ListTransactionsRequest,
        wall_ms: i64,
    ) -> ListTransactionsResponse {
        let is_unknown = |name: &&Arc<str>| !TransactionState::is_name(name);
        let unknown_states = request.states.iter().filter(is_unknown).cloned().collect();
        let mut response = ListTransactionsResponse {
            error: ErrorCode::None,
            unknown_states,
            transactions: Vec::new(),
        };
        if self.partitions.values().any(|partition| partition.loading.is_some()) {
            response.error = ErrorCode::CoordinatorLoadInProgress;
            return response;
        }
        let Ok(pattern) = request.pattern.as_deref().map(whole).transpose() else {
            response.error = ErrorCode::InvalidRegularExpression;
            return response;
        };
        let all = self.partitions.values().flat_map(|partition| &partition.transactions);
        for (id, transaction) in all {
            let Values { producer, state, start_ms, .. } = &transaction.values;
            let has_state = request.states.is_empty()
                || request.states.iter().any(|name| **name == *state.name());
            let has_id =
                request.producer_ids.is_empty() || request.producer_ids.contains(&producer.id);
            // where nothing has begun, that is 1 ms before 1970, in Kafka's `listTransactionStates` as here
            let is_long =
                request.duration_ms < 0 || wall_ms.saturating_sub(*start_ms) > request.duration_ms;
            let matches = pattern.as_ref().is_none_or(|pattern| pattern.is_match(id));
            if has_state && has_id && is_long && matches {
                response.transactions.push((Arc::clone(id), producer.id, *state));
            }
        }
        response
    }
}

fn described(values: &Values) -> DescribedTransaction {
    let mut partitions: BTreeMap<Arc<str>, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in &values.partitions {
        partitions.entry(Arc::clone(topic)).or_default().push(*partition);
    }
    DescribedTransaction {
        state: values.state,
        timeout_ms: values.timeout_ms,
        start_ms: values.start_ms,
        producer: values.producer,
        partitions: partitions.into_iter().collect(),
    }
}
