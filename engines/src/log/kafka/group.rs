//! How the processes that persist share the partitions: Kafka's consumer group (classic protocol, cooperative and sticky).
//!
//! The group's consumer reads nothing and commits nothing: what is persisted, and from where on, is the store's to say. It only tells which partitions are
//! this process' own; each is paused as soon as it is assigned.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parley_proto::PartitionId;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance, StreamConsumer},
    error::KafkaError,
};
use tokio::sync::watch;

use super::{closing, config::KafkaConfig, context};
use crate::log::Share;

/// Before the group is joined anew: another process has this one's name, or the client has failed for good.
const REJOIN_AFTER: Duration = Duration::from_secs(5);

/// Joins the group for as long as somebody looks at the share. Needs a Tokio runtime.
pub(super) fn join(config: &KafkaConfig) -> watch::Receiver<Share> {
    let (share, receiver) = watch::channel(None);
    tokio::spawn(stay(config.clone(), share));
    receiver
}

async fn stay(config: KafkaConfig, share: watch::Sender<Share>) {
    let share = Arc::new(share);
    loop {
        if let Err(error) = be_member(&config, &share).await {
            tracing::error!(%error, "this process is no longer in the persisters' group; it joins again");
        }
        share.send_replace(None);
        tokio::select! {
            () = share.closed() => return,
            () = tokio::time::sleep(REJOIN_AFTER) => {}
        }
    }
}

/// Returns when nobody looks any more, or with what ended the membership.
async fn be_member(config: &KafkaConfig, share: &Arc<watch::Sender<Share>>) -> Result<(), KafkaError> {
    let consumer: StreamConsumer<Member> = config.member().create_with_context(Member { share: Arc::clone(share) })?;
    // Leaving the group waits for its coordinator, here and where this future is dropped: who ends without a word keeps its partitions from the others until
    // its session times out.
    let consumer = scopeguard::guard(consumer, closing::wait);
    consumer.subscribe(&[&config.topic])?;
    let ended = loop {
        tokio::select! {
            () = share.closed() => break Ok(()),
            // Paused partitions have no records; this serves the group's calls, and tells of errors that pass.
            _ = consumer.recv() => {}
        }
        if let Some((code, reason)) = consumer.client().fatal_error() {
            tracing::warn!(kafka.reason = reason, "the group does not take this process");
            break Err(KafkaError::ClientCreation(code.to_string()));
        }
    };
    let _ = tokio::task::spawn_blocking(move || drop(consumer)).await;
    ended
}

/// What the group's consumer calls back.
#[derive(Debug)]
struct Member {
    share: Arc<watch::Sender<Share>>,
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        context::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, kafka.reason = reason, "the persisters' group reports an error");
    }
}

impl ConsumerContext for Member {
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(added) = rebalance
            && let Err(error) = consumer.pause(added)
        {
            tracing::debug!(%error, "partitions of the group can't be paused");
        }
        let share = match (rebalance, consumer.assignment()) {
            (Rebalance::Assign(_) | Rebalance::Revoke(_), Ok(assigned)) if !consumer.assignment_lost() => {
                let numbers = assigned.elements().into_iter().filter_map(|element| u16::try_from(element.partition()).ok());
                Some(numbers.map(PartitionId).collect::<BTreeSet<_>>())
            }
            _ => None,
        };
        tracing::info!(log.share = ?share, "the persisters' group has shared the partitions");
        self.share.send_replace(share);
    }
}
