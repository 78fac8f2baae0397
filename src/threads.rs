//! Work shared out among threads, of which the one that asks is one.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is in a mutex, also where a thread died that held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was in a mutex, also where a thread died that held it.
pub(crate) fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Does the work on each item, on this thread and on as many others of rayon's as there is work for, one item at a time. Each thread that takes part has a
/// state of its own; the states are returned, in any order.
///
/// A parallel iterator would leave this thread waiting and wake as many others as there are processors: now and then two of those
/// stay on one processor for many milliseconds, while the other one is idle. And what this thread has freed, only it can use again.
pub(crate) fn share_out<I, S>(items: I, state: impl Fn() -> S + Sync, work: impl Fn(&mut S, I::Item) + Sync) -> Vec<S>
where
    I: IntoIterator,
    I::IntoIter: Send,
    S: Send,
{
    let items = items.into_iter();
    // Nobody is woken for whom there is nothing to do: a single column is made by who asks for it.
    let most = items.size_hint().1.unwrap_or(usize::MAX);
    let items = Mutex::new(items);
    let states = Mutex::new(Vec::new());
    let take_part = || {
        let mut mine = state();
        loop {
            // In a statement of its own, so that the lock is not held meanwhile.
            let next = lock(&items).next();
            let Some(item) = next else { break };
            work(&mut mine, item);
        }
        lock(&states).push(mine);
    };
    rayon::in_place_scope(|scope| {
        (1..rayon::current_num_threads().min(most)).for_each(|_| scope.spawn(|_| take_part()));
        take_part();
    });
    into_inner(states)
}

/// What becomes of each item, in their order; made as by [`share_out`].
#[cfg(feature = "frame")]
pub(crate) fn map<I, R>(items: I, work: impl Fn(I::Item) -> R + Sync) -> Vec<R>
where
    I: IntoIterator,
    I::IntoIter: Send,
    R: Send,
{
    let parts = share_out(items.into_iter().enumerate(), Vec::new, |made, (at, item)| made.push((at, work(item))));
    let mut made: Vec<(usize, R)> = parts.into_iter().flatten().collect();
    made.sort_unstable_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
#[cfg(feature = "frame")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn on(threads: usize, work: impl FnOnce() + Send) {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work);
    }

    #[test]
    fn each_item_is_worked_on_once_and_results_keep_their_order() {
        for threads in 1..5 {
            on(threads, || {
                assert_eq!(map(0..1_000, |at| at * 2), (0..1_000).map(|at| at * 2).collect::<Vec<_>>());
                let sums = share_out(1..=1_000, || 0, |sum, at| *sum += at);
                assert_eq!((sums.iter().sum::<i32>(), sums.len()), (500_500, threads));
            });
        }
        assert!(map(0..0, |at: i32| at).is_empty());
        on(4, || assert_eq!(share_out(0..2, || (), |(), _| ()).len(), 2));
    }

    #[test]
    fn the_thread_that_asks_takes_part() {
        // Of as many items as threads, each waits for the others: all must be at work, the asking one with them.
        on(1, || {
            let asking = std::thread::current().id();
            assert_eq!(map(0..3, |_| std::thread::current().id()), [asking; 3]);
        });
        on(3, || {
            let barrier = std::sync::Barrier::new(3);
            let asking = std::thread::current().id();
            let ids = map(0..3, |_| {
                barrier.wait();
                std::thread::current().id()
            });
            assert!(ids.contains(&asking));
            assert_eq!(ids.iter().map(|id| format!("{id:?}")).collect::<BTreeSet<_>>().len(), 3);
        });
    }
}
