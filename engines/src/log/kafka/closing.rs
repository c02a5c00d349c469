//! Clients of Kafka are closed on a thread of their own. Closing waits for the client's threads and connections, half a second or more, and a consumer's waits
//! for its group for as long as that takes: there is no call that takes a deadline.

use std::{sync::mpsc, thread, time::Duration};

/// How long a closing is waited for, where it is. Afterwards it goes on alone.
const DEADLINE: Duration = Duration::from_secs(3);

/// Closes it beside the caller.
pub(super) fn begin(client: impl Send + 'static) -> mpsc::Receiver<()> {
    let (done, closed) = mpsc::sync_channel(1);
    thread::spawn(move || {
        drop(client);
        let _ = done.send(());
    });
    closed
}

/// Closes it and blocks until it is closed, or until [`DEADLINE`].
pub(super) fn wait(client: impl Send + 'static) {
    if begin(client).recv_timeout(DEADLINE).is_err() {
        tracing::warn!("a client of Kafka is not closed in time; it is left to itself");
    }
}
