//! Runs what goes on side by side in one task.

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;

/// Runs all of them to their ends. Only those are looked at that have something to do: with `join!` each event of one watch
/// would have dozens of others look for theirs.
pub async fn together<'a>(all: impl IntoIterator<Item = LocalBoxFuture<'a, ()>>) {
    let mut running: FuturesUnordered<_> = all.into_iter().collect();
    while running.next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::task::Poll;

    use futures::FutureExt;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_not_looked_at_for_what_others_do() {
        let (looked, done, often) = (Cell::new(0), Notify::new(), 100);
        let waits = async {
            let mut done = std::pin::pin!(done.notified());
            poll_fn(|context| {
                looked.set(looked.get() + 1);
                done.as_mut().poll(context)
            })
            .await;
        };
        let busy = async {
            for _ in 0..often {
                tokio::task::yield_now().await;
            }
            done.notify_one();
        };
        together([waits.boxed_local(), busy.boxed_local()]).await;
        assert_eq!(looked.get(), 2);
    }

    #[tokio::test]
    async fn one_that_ends_does_not_end_the_others() {
        let mut turns = 0;
        let ends = async {};
        let goes_on = poll_fn(|context| {
            turns += 1;
            context.waker().wake_by_ref();
            if turns < 3 { Poll::Pending } else { Poll::Ready(()) }
        });
        together([ends.boxed_local(), goes_on.boxed_local()]).await;
        assert_eq!(turns, 3);
    }
}
