//! Which fault when: drawn from a seed, so that the same seed disturbs in the same order. Pure.

use std::time::Duration;

use parley_cluster::{Cluster, proxy::Proxy};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// What can be disturbed.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    /// gateway-1, kafka-1, redis, …
    pub(super) processes: Vec<String>,
    /// gateway-1~redis, nginx~gateway-1, …
    pub(super) links: Vec<String>,
}

impl Parts {
    pub(super) fn of(cluster: &Cluster) -> Self {
        Self {
            processes: cluster.services().iter().map(|service| service.name().to_owned()).collect(),
            links: cluster.links().iter().map(|link| Proxy::name(link).to_owned()).collect(),
        }
    }
}

/// One fault. `hold`: how long it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL, children included.
    Kill(String),
    /// Asked to end, as in a deployment.
    Terminate(String),
    /// SIGSTOP, then SIGCONT.
    Pause {
        part: String,
        hold: Duration,
    },
    Link {
        link: String,
        wrong: Wrong,
        hold: Duration,
    },
    /// Everything in Redis is lost.
    EmptyRedis,
    /// One session of Postgres' is killed.
    KillBackend,
    /// No persister runs and Redis is emptied: what was said is in the log alone. Sockets are reset, so that everybody comes back meanwhile.
    LogAlone {
        hold: Duration,
    },
    /// Persisters come and go.
    Rebalance {
        hold: Duration,
    },
}

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Cut,
    Reset,
    Slow,
    Narrow,
    HalfClosed,
}

impl Wrong {
    const ALL: [Self; 5] = [Self::Cut, Self::Reset, Self::Slow, Self::Narrow, Self::HalfClosed];
}

/// A fault, and how long nothing is wrong before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) calm: Duration,
    pub(super) fault: Fault,
}

/// Long enough that what is live again can be seen before the next fault; with what recovery takes, about a quarter of the time is without fault.
const CALM: std::ops::Range<Duration> = Duration::from_millis(2_500)..Duration::from_millis(6_000);
const HOLD: std::ops::Range<Duration> = Duration::from_millis(1_500)..Duration::from_millis(6_000);
/// A rotation in which each combination comes once has so many of these rarer ones.
const LOG_ALONE_PER_ROTATION: usize = 8;
const OTHERS_PER_ROTATION: usize = 3;

/// Everything in turn, shuffled, and again in another order, for at least `time`.
pub(super) fn rotation(seed: u64, parts: &Parts, time: Duration) -> Vec<Step> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut steps = Vec::new();
    let mut scheduled = Duration::ZERO;
    while scheduled < time {
        let mut faults = all(&mut rng, parts);
        faults.shuffle(&mut rng);
        for fault in faults {
            let calm = rng.random_range(CALM);
            scheduled += calm;
            steps.push(Step { calm, fault });
        }
    }
    steps
}

/// Every combination of part and kind.
fn all(rng: &mut StdRng, parts: &Parts) -> Vec<Fault> {
    let mut faults = Vec::new();
    for part in &parts.processes {
        faults.push(Fault::Kill(part.clone()));
        faults.push(Fault::Terminate(part.clone()));
        faults.push(Fault::Pause { part: part.clone(), hold: rng.random_range(HOLD) });
    }
    for link in &parts.links {
        for wrong in Wrong::ALL {
            faults.push(Fault::Link { link: link.clone(), wrong, hold: rng.random_range(HOLD) });
        }
    }
    for _ in 0..LOG_ALONE_PER_ROTATION {
        faults.push(Fault::LogAlone { hold: rng.random_range(HOLD) });
    }
    for _ in 0..OTHERS_PER_ROTATION {
        faults.extend([Fault::EmptyRedis, Fault::KillBackend, Fault::Rebalance { hold: rng.random_range(HOLD) }]);
    }
    faults
}

/// Every process is killed once, one link is cut, and the log is once the only place where messages are.
pub(super) fn smoke(seed: u64, parts: &Parts) -> Vec<Step> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut faults: Vec<_> = parts.processes.iter().cloned().map(Fault::Kill).collect();
    faults.push(Fault::LogAlone { hold: Duration::from_secs(3) });
    faults.extend(parts.links.iter().take(1).map(|link| Fault::Link { link: link.clone(), wrong: Wrong::Cut, hold: Duration::from_secs(2) }));
    faults.shuffle(&mut rng);
    faults.into_iter().map(|fault| Step { calm: Duration::from_secs(3), fault }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Parts { processes: names(&["gateway-1", "kafka-1", "nginx"]), links: names(&["gateway-1~redis", "nginx~gateway-1"]) }
    }

    #[test]
    fn a_seed_repeats_its_schedule_and_another_one_does_not() {
        let time = Duration::from_secs(600);
        assert_eq!(rotation(7, &parts(), time), rotation(7, &parts(), time));
        assert_ne!(rotation(7, &parts(), time), rotation(8, &parts(), time));
    }

    #[test]
    fn each_part_is_disturbed_in_each_way() {
        let steps = rotation(1, &parts(), Duration::from_secs(1));
        assert_eq!(steps.len(), 3 * 3 + 2 * 5 + LOG_ALONE_PER_ROTATION + 3 * OTHERS_PER_ROTATION);
    }

    #[test]
    fn the_smoke_test_kills_everything_once() {
        let killed = |part: &String| smoke(3, &parts()).iter().filter(|step| step.fault == Fault::Kill(part.clone())).count();
        assert!(parts().processes.iter().all(|part| killed(part) == 1));
    }
}
