//! Work side by side on threads: so many jobs at a time, results in order.

use crate::failure::Failure;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Does `work` for `0..count`, at most `jobs` at a time. Returns what is finished in order; less
/// than `count` only after an interruption.
pub(crate) fn map<T: Send>(
    count: usize,
    jobs: usize,
    interrupt: &AtomicBool,
    work: impl Fn(usize) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let crew =
        Crew { count, next: AtomicUsize::new(0), interrupt, failed: AtomicBool::new(false), work };
    let jobs = jobs.min(count).max(1);
    let outcomes: Vec<Result<Vec<(usize, T)>, Failure>> = thread::scope(|scope| {
        let job = || scope.spawn(|| crew.job());
        let handles: Vec<_> = std::iter::repeat_with(job).take(jobs).collect();
        let join = |handle: thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|_| Err(Failure::internal("a job panicked")))
        };
        handles.into_iter().map(join).collect()
    });
    let mut done = Vec::with_capacity(count);
    for outcome in outcomes {
        done.extend(outcome?);
    }
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

/// The work shared by the jobs.
struct Crew<'a, F> {
    count: usize,
    next: AtomicUsize,
    interrupt: &'a AtomicBool,
    failed: AtomicBool,
    work: F,
}

impl<T, F: Fn(usize) -> Result<T, Failure>> Crew<'_, F> {
    /// Takes one piece after another until there is none left.
    fn job(&self) -> Result<Vec<(usize, T)>, Failure> {
        let mut done = Vec::new();
        while !self.interrupt.load(Ordering::Relaxed) && !self.failed.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.count {
                break;
            }
            let outcome = (self.work)(index);
            if outcome.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            done.push((index, outcome?));
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn results_are_in_order_whatever_the_number_of_jobs() {
        let never = AtomicBool::new(false);
        for jobs in [1, 3, 100] {
            let squares = map(10, jobs, &never, |index| Ok(index * index)).unwrap();
            assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
        }
        assert!(map(0, 2, &never, Ok).unwrap().is_empty());
    }

    #[test]
    fn a_failure_ends_it_and_an_interruption_leaves_the_rest() {
        let never = AtomicBool::new(false);
        let fails =
            map(
                9,
                2,
                &never,
                |index| {
                    if index == 3 { Err(Failure::usage("three")) } else { Ok(index) }
                },
            );
        assert_eq!(fails.unwrap_err().exit(), Exit::Usage);
        let stop = AtomicBool::new(false);
        let some = map(9, 1, &stop, |index| {
            stop.store(index == 2, Ordering::Relaxed);
            Ok(index)
        });
        assert_eq!(some.unwrap(), [0, 1, 2]);
    }
}
