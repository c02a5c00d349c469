//! Polls what asked for it, and nothing else. A socket's task is woken for every frame that it writes; to ask everything that it waits for each time whether
//! there is something would cost more than the frame does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::task::AtomicWaker;

/// Rings for one thing that the task waits for.
#[derive(Debug)]
pub(super) struct Alarm {
    bell: Arc<Bell>,
    /// What the thing calls.
    ringer: Waker,
    /// Who is woken by it.
    task: Option<Waker>,
}

#[derive(Debug)]
struct Bell {
    is_rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Alarm {
    /// For something that was not polled yet.
    pub(super) fn new() -> Self {
        let bell = Arc::new(Bell { is_rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { ringer: Arc::clone(&bell).into(), bell, task: None }
    }

    /// Polls it if it rang since it last had nothing.
    pub(super) fn poll<T>(&mut self, context: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let is_known = self.task.as_ref().is_some_and(|task| task.will_wake(context.waker()));
        if is_known && !self.bell.is_rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        if !is_known {
            self.task = Some(context.waker().clone());
        }
        // A ring uses up who is woken. Whoever rings from here on wakes this task again.
        self.bell.task.register(context.waker());
        if !self.bell.is_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let polled = poll(&mut Context::from_waker(&self.ringer));
        if polled.is_ready() {
            // It promised nothing: there may be more.
            self.bell.is_rung.store(true, Ordering::Release);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn nothing_is_missed_and_nothing_is_asked_in_vain() {
        const TOTAL: u32 = 10_000;
        let (sender, mut receiver) = mpsc::channel(3);
        let sending = tokio::spawn(async move {
            for number in 0..TOTAL {
                sender.send(number).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let (mut alarm, mut asked) = (Alarm::new(), 0);
        for number in 0..TOTAL {
            let next = poll_fn(|context| {
                // However often the task looks.
                for _ in 0..10 {
                    let polled = alarm.poll(context, |context| {
                        asked += 1;
                        receiver.poll_recv(context)
                    });
                    if polled.is_ready() {
                        return polled;
                    }
                }
                Poll::Pending
            });
            assert_eq!(next.await, Some(number));
        }
        assert!(asked <= 2 * TOTAL + 1, "{asked}: once for each, and once more after it");
        sending.await.unwrap();
    }

    #[tokio::test]
    async fn it_rings_for_whoever_asked_last() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut alarm = Alarm::new();
        assert!(alarm.poll(&Context::from_waker(Waker::noop()), |context| receiver.poll_recv(context)).is_pending());
        let waiting = tokio::spawn(async move { poll_fn(|context| alarm.poll(context, |context| receiver.poll_recv(context))).await });
        tokio::task::yield_now().await;
        sender.send(1).await.unwrap();
        assert_eq!(waiting.await.unwrap(), Some(1));
    }
}
