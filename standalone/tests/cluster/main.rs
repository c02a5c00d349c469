//! The same product on Kafka, Redis, Postgres and NGINX, with two gateways, while parts of it are killed. One cluster serves all trials, one after the
//! other: each leaves it whole. After every trial the log, all tables and Redis are compared.
#![expect(clippy::unwrap_used, reason = "a trial that can't go on may panic")]

mod brokers;
mod chaos;
#[path = "../it/client.rs"]
#[expect(dead_code, reason = "the client of the other end-to-end tests, of which these need a part")]
mod client;
#[path = "../it/conversation.rs"]
mod conversation;
mod degradation;
mod disk;
#[path = "../it/frames.rs"]
mod frames;
mod kills;
mod operators;
mod poison;
mod proof;
#[path = "../it/raw.rs"]
mod raw;
mod rights;
mod rolling;
#[path = "../it/setup.rs"]
mod setup;
mod shared;
mod talk;
mod world;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use tokio::{runtime::Runtime, sync::OnceCell};

use self::world::{OnTheCluster, World};

/// Trials on the cluster that all of them share.
macro_rules! trials {
    ($runtime:ident, $world:ident: $($room:ident :: $name:ident,)*) => {
        vec![$({
            let (runtime, world) = (Arc::clone(&$runtime), Arc::clone(&$world));
            Trial::test(concat!(stringify!($room), "::", stringify!($name)), move || {
                runtime.block_on(async { $room::$name(world.get_or_init(World::start).await).await });
                Ok(())
            })
        },)*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share one cluster, and two faults at once would be a third.
    arguments.test_threads = Some(1);
    let runtime = Arc::new(Runtime::new().unwrap());
    let world = Arc::new(OnceCell::new());
    let mut trials = trials! { runtime, world:
        kills::a_gateway,
        kills::the_persister,
        kills::two_persisters_at_once_are_harmless,
        kills::redis,
        kills::redis_is_emptied,
        kills::postgres,
        kills::kafka,
        kills::nginx_with_its_workers,
        degradation::without_postgres,
        degradation::while_postgres_hangs,
        degradation::without_redis,
        degradation::without_kafka,
        degradation::without_a_persister,
        degradation::without_nginx,
        rights::ended_without_redis,
        rights::nobody_vouches,
        rolling::every_process_is_replaced_while_people_talk,
        operators::what_postgres_refused_is_driven_once_more,
        operators::a_store_that_is_rebuilt_from_kafka_is_the_same_row_for_row,
        poison::what_is_no_record_is_a_dead_letter_with_its_reason_and_everybody_goes_on,
        poison::what_is_said_in_a_room_that_the_store_does_not_have_is_kept_and_nobody_reads_it,
        shared::a_limit_is_one_over_both_gateways,
        shared::a_killed_gateway_leaves_no_ghosts,
        proof::a_difference_is_found,
    };
    macro_rules! on_the_cluster {
        ($($name:ident,)*) => {
            $({
                let (runtime, world) = (Arc::clone(&runtime), Arc::clone(&world));
                trials.push(Trial::test(concat!("conversation::", stringify!($name)), move || {
                    runtime.block_on(async {
                        let world = world.get_or_init(World::start).await;
                        world.whole().await;
                        conversation::$name(OnTheCluster(world)).await;
                    });
                    Ok(())
                }));
            })*
        };
    }
    setup::conversations!(on_the_cluster);
    macro_rules! through_nginx {
        ($($name:ident,)*) => {
            $({
                let (runtime, world) = (Arc::clone(&runtime), Arc::clone(&world));
                trials.push(Trial::test(concat!("frames::", stringify!($name)), move || {
                    runtime.block_on(async {
                        let world = world.get_or_init(World::start).await;
                        world.whole().await;
                        frames::$name(&world.url()).await;
                    });
                    Ok(())
                }));
            })*
        };
    }
    frames::broken_frames!(through_nginx);
    macro_rules! on_a_cluster_of_its_own {
        ($($room:ident :: $name:ident,)*) => {
            $({
                let runtime = Arc::clone(&runtime);
                trials.push(Trial::test(concat!(stringify!($room), "::", stringify!($name)), move || {
                    runtime.block_on($room::$name());
                    Ok(())
                }));
            })*
        };
    }
    on_a_cluster_of_its_own! {
        poison::a_newer_record_stops_its_partition_with_an_alarm_and_nothing_is_skipped,
        brokers::one_of_three_is_lost,
        disk::it_is_full_for_a_while,
    }
    // Left to `make test-all`: it takes minutes.
    let own = Arc::clone(&runtime);
    let chaos = Trial::test("chaos::everything_is_killed_once_while_people_use_it", move || {
        own.block_on(chaos::everything_is_killed_once_while_people_use_it());
        Ok(())
    });
    trials.push(chaos.with_ignored_flag(true));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(world) = Arc::into_inner(world).and_then(OnceCell::into_inner) {
        runtime.block_on(world.stop());
    }
    conclusion.exit_code()
}
