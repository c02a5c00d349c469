//! A partition has no leader for a moment, as after a broker that hung for longer than its session.

use std::time::Duration;

use parley_engines::log::LogReader;
use tokio::time::{sleep, timeout};

use super::{P0, SOON, append_at_last, mock, open};

/// librdkafka takes what the brokers said at such a moment for permanent, for as long as it keeps it: minutes, if nothing else makes it ask again.
#[tokio::test]
async fn a_partition_that_had_no_leader_for_a_moment_has_an_end_when_it_has_one() {
    let (cluster, config) = mock();
    let log = open(&config).await;
    log.end(P0).await.unwrap();
    cluster.partition_leader("mock", 0, None).unwrap();
    let heard = async {
        // First the broker that it knows is not the leader, then nobody is.
        while !log.end(P0).await.is_err_and(|error| error.to_string().contains("Unknown partition")) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, heard).await.expect("the client hears of it");
    // No longer than a moment: the mock crashes when it is asked for records of a partition without a leader.
    cluster.partition_leader("mock", 0, Some(1)).unwrap();
    log.end(P0).await.expect("the brokers are asked anew");
    append_at_last(&log, "a").await;
}
