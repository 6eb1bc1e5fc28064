//! What somebody asks of a group comes, or is refused in time: a group that is marked as being deleted has its end
//! under way, or is there again; and nobody waits for an append that has taken too long, as those who did have been
//! told.

use super::NodeView;
use super::waits::says;
use crate::checkers::ledger::Ledger;

/// Looks at a coordinator.
pub(super) fn comes(ledger: &mut Ledger, view: &NodeView<'_>) {
    let group = view.broker.idle_deletion();
    under_way(ledger, view.node, (group.map(|group| &**group), view.broker.late_answers()));
}

fn under_way(ledger: &mut Ledger, node: i32, (dying, late): (Option<&str>, usize)) {
    says(ledger, dying.is_none(), &|| {
        format!("coordinator {node} takes group {dying:?} to be deleted, and nobody deletes it")
    });
    says(ledger, late == 0, &|| {
        format!(
            "{late} answers of coordinator {node} wait for appends that have taken too long, and as long as those \
             do"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_a_group_comes_or_is_refused() {
        let broken = |seen| {
            let mut ledger = Ledger::default();
            under_way(&mut ledger, 1, seen);
            ledger.finish().1.len()
        };
        assert_eq!((broken((None, 0)), broken((Some("g"), 0)), broken((None, 2))), (0, 1, 1));
    }
}
