//! One run: gateways, persisters and people are started, the schedule goes wrong for them, it gets quiet, and what is there then is judged.

use std::{collections::VecDeque, process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use parley_engines::bus::script::PartitionState;
use parley_gateway::{
    config::GatewayConfig,
    gateway::{self, Engines},
};
use parley_persister::{Config as PersisterConfig, Persister};
use parley_proto::PartitionId;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    bugs::{self, Bug},
    client::{self, Client, Orders, Status},
    engines::{bus::SimBus, log::SimLog, store::store},
    process::Process,
    reality,
    sabotage::Sabotage,
    schedule::{BUSY, Fault, GATEWAYS, PERSISTERS, ROOMS, Schedule, What},
    verdict,
    world::{Weather, World},
};

/// Everything has to be well so long after the last fault.
const RECOVERY: Duration = Duration::from_secs(60);
/// Live delivery, beats and tallies need no longer once nothing is left to do.
const QUIET: Duration = Duration::from_secs(6);
/// How often the schedule is looked at.
const STEP: Duration = Duration::from_millis(10);
/// How often copies of the bus' state are made, for going back to, and how old they get.
const COPY: Duration = Duration::from_millis(100);
const COPIES_AGE: Duration = Duration::from_secs(7);

#[derive(Args, Debug, Clone)]
pub(crate) struct RunArguments {
    #[arg(long)]
    pub(crate) seed: u64,
    /// Events of the schedule to leave out, by number.
    #[arg(long, value_delimiter = ',')]
    pub(crate) without: Vec<usize>,
    /// A bug to put in, by its name, with what exposes it.
    #[arg(long, value_parser = bugs::find)]
    pub(crate) bug: Option<&'static Bug>,
    /// What exposes the bug, without the bug: a run that has to be clean.
    #[arg(long, requires = "bug")]
    pub(crate) control: bool,
    /// Prints all that happens.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Prints the schedule and does nothing.
    #[arg(long)]
    pub(crate) schedule: bool,
}

/// Exit 0: clean. Exit 1: a promise was broken, named on standard output.
pub(crate) fn main(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let exposure = arguments.bug.map(|bug| &bug.exposure);
    let schedule = Schedule::new(arguments.seed, exposure, &arguments.without);
    if arguments.schedule {
        schedule.events.iter().enumerate().for_each(|(number, (at, what))| println!("{number:>4} {at:?} {what:?}"));
        return Ok(ExitCode::SUCCESS);
    }
    let (seed, aloud) = (arguments.seed, arguments.trace);
    let bug = arguments.bug.filter(|_| !arguments.control).map(|bug| bug.place);
    let sabotage = bugs::put_in(exposure.into_iter().flat_map(|exposure| exposure.without).copied().chain(bug))?;
    let outbox_frames = exposure.and_then(|exposure| exposure.outbox_frames);
    reality::enter(seed);
    // A thread of its own, so that what a thread draws once is drawn from the seed.
    let run = std::thread::Builder::new().stack_size(8 << 20).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok::<_, std::io::Error>(runtime.block_on(run(seed, schedule, aloud, sabotage, outbox_frames)))
    })?;
    let world = match run.join() {
        Ok(world) => world?,
        Err(_) => {
            println!("seed {seed}: PANIC");
            return Ok(ExitCode::FAILURE);
        }
    };
    let violations = world.violations();
    if violations.is_empty() {
        println!("seed {seed}: clean, trace {:016x}, {}", world.trace_hash(), verdict::figures(&world));
        return Ok(ExitCode::SUCCESS);
    }
    world.trace_end().iter().for_each(|line| println!("{line}"));
    let told = if arguments.bug.is_some() { usize::MAX } else { 5 };
    for violation in violations.iter().take(told) {
        println!("seed {seed}: {} BROKEN: {}", violation.promise, violation.text);
    }
    Ok(ExitCode::FAILURE)
}

/// The deployment.
struct Deployment {
    world: Arc<World>,
    gateways: Vec<(Process, JoinHandle<()>)>,
    persisters: Vec<(Process, Persister, CancellationToken)>,
    /// Other bounds than the product's own.
    outbox_frames: Option<usize>,
}

impl Deployment {
    fn start(world: &Arc<World>, outbox_frames: Option<usize>) -> Self {
        let mut deployment = Self { world: Arc::clone(world), gateways: Vec::new(), persisters: Vec::new(), outbox_frames };
        for number in 0..GATEWAYS {
            let gateway = deployment.gateway(number);
            deployment.gateways.push(gateway);
        }
        for number in 0..PERSISTERS {
            let persister = deployment.persister(number);
            deployment.persisters.push(persister);
        }
        deployment
    }

    fn gateway(&self, number: usize) -> (Process, JoinHandle<()>) {
        let process = Process::start(&format!("gateway-{number}"));
        let mut config = GatewayConfig::new(client::token_key());
        config.gateway = process.name.to_string();
        config.sockets.outbox.frames = self.outbox_frames.unwrap_or(config.sockets.outbox.frames);
        let engines = Engines {
            log: Arc::new(SimLog::new(&self.world, &process)),
            bus: Arc::new(SimBus::new(&self.world, &process)),
            store: Arc::new(store(&self.world, &process)),
        };
        let ear = self.world.network.listen(&process);
        let task = tokio::spawn(async move {
            // It never drains: it is killed.
            let _ = gateway::serve_on(config, engines, ear, CancellationToken::new()).await;
        });
        (process, task)
    }

    fn persister(&self, number: usize) -> (Process, Persister, CancellationToken) {
        let process = Process::start(&format!("persister-{number}"));
        let stop = CancellationToken::new();
        let (log, bus) = (Arc::new(SimLog::new(&self.world, &process)), Arc::new(SimBus::new(&self.world, &process)));
        let persister = Persister::start(log, bus, Arc::new(store(&self.world, &process)), PersisterConfig::default(), stop.clone());
        (process, persister, stop)
    }

    fn kill_gateway(&mut self, number: usize) {
        let (process, task) = &self.gateways[number];
        process.kill();
        task.abort();
    }

    fn restart_gateway(&mut self, number: usize) {
        if self.gateways[number].0.is_dead() {
            self.gateways[number] = self.gateway(number);
        }
    }

    fn kill_persister(&mut self, number: usize) {
        let (process, _, stop) = &self.persisters[number];
        process.kill();
        stop.cancel();
    }

    fn restart_persister(&mut self, number: usize) {
        if self.persisters[number].0.is_dead() {
            self.persisters[number] = self.persister(number);
        }
    }
}

/// Something that is to be undone.
type Undoing = (Duration, Fault);

async fn run(seed: u64, schedule: Schedule, aloud: bool, sabotage: Vec<Sabotage>, outbox_frames: Option<usize>) -> Arc<World> {
    let world = Arc::new(World::new(seed, schedule.partitions, ROOMS, aloud, sabotage));
    if outbox_frames.is_some() {
        world.network.hold_little();
    }
    verdict::furnish(&world, schedule.clients).await;
    let mut deployment = Deployment::start(&world, outbox_frames);
    let (over, watch_over) = watch::channel(false);
    let (mut people, mut statuses) = (Vec::new(), Vec::new());
    for number in 0..schedule.clients {
        let acts = schedule.events.iter().filter_map(|(at, what)| match what {
            What::Act(client, act) if *client == number => Some((*at, act.clone())),
            _ => None,
        });
        let (client, status) = Client::new(&world, number, Orders { acts: acts.collect() });
        people.push(tokio::spawn(client.run(watch_over.clone())));
        statuses.push(status);
    }
    weather(&world, &mut deployment, &schedule).await;
    settle(&world, &statuses).await;
    over.send_replace(true);
    let mut clients = Vec::new();
    for person in people {
        match person.await {
            Ok(client) => clients.push(client),
            Err(error) => world.violated("G8", format!("a client ended badly: {error}")),
        }
    }
    verdict::judge(&world, &clients).await;
    world
}

/// Lets the faults happen and undoes them, until both are done.
async fn weather(world: &Arc<World>, deployment: &mut Deployment, schedule: &Schedule) {
    let mut copies = Copies::default();
    let mut faults: Vec<_> = schedule
        .events
        .iter()
        .filter_map(|(at, what)| match what {
            What::Fault(fault, lasts) => Some((*at, *fault, *lasts)),
            What::Act(..) => None,
        })
        .collect();
    faults.reverse();
    let mut undoings: Vec<Undoing> = Vec::new();
    while world.elapsed() < BUSY || !undoings.is_empty() {
        let now = world.elapsed();
        while faults.last().is_some_and(|(at, _, _)| *at <= now) {
            let Some((_, fault, lasts)) = faults.pop() else { break };
            world.tell(|| format!("FAULT {fault:?} for {lasts:?}"));
            begin(world, deployment, fault, lasts, &copies);
            undoings.push((now + lasts, fault));
        }
        let due: Vec<_> = undoings.extract_if(.., |(at, _)| *at <= now || now >= BUSY).collect();
        for (_, fault) in due {
            world.tell(|| format!("END OF {fault:?}"));
            end(world, deployment, fault);
        }
        copies.make(world);
        sleep(STEP).await;
    }
    (0..GATEWAYS).for_each(|number| deployment.restart_gateway(number));
    (0..PERSISTERS).for_each(|number| deployment.restart_persister(number));
    world.weather.send_modify(|weather| *weather = Weather { bus_cuts: weather.bus_cuts, ..Weather::default() });
}

fn begin(world: &Arc<World>, deployment: &mut Deployment, fault: Fault, lasts: Duration, copies: &Copies) {
    let change = |change: fn(&mut Weather)| world.weather.send_modify(change);
    match fault {
        Fault::LogSilent => change(|weather| weather.log_silent = true),
        Fault::LogSlow => change(|weather| weather.log_slow = true),
        Fault::AppendsUncertain => change(|weather| weather.appends_uncertain = true),
        Fault::BusAway => change(|weather| weather.bus_away = true),
        Fault::BusAwayFor(number) => world.weather.send_modify(|weather| _ = weather.bus_away_for.insert(format!("gateway-{number}"))),
        Fault::BusCut => change(|weather| weather.bus_cuts += 1),
        Fault::FramesLost => change(|weather| weather.frames_lost = true),
        Fault::NoticesLost => change(|weather| weather.notices_lost = true),
        Fault::BusAnswersLost => change(|weather| weather.bus_answers_lost = true),
        Fault::BusEmptied => world.bus.empty(),
        Fault::SetEvicted => partitions(world).for_each(|partition| world.bus.evict_partition(partition)),
        Fault::TailsEvicted => world.rooms.iter().for_each(|room| world.bus.evict_tail(*room)),
        Fault::BusRolledBack { age } => copies.go_back(world, age),
        Fault::StoreAway => change(|weather| weather.store_away = true),
        Fault::StoreSlow => change(|weather| weather.store_slow = true),
        Fault::StoreAnswersLost => change(|weather| weather.store_answers_lost = true),
        Fault::StoreRefuses => change(|weather| weather.store_refuses = true),
        Fault::GatewayKilled(number) => deployment.kill_gateway(number),
        Fault::GatewayPaused(number) => {
            deployment.gateways[number].0.pause();
            world.gateway_is_paused(world.elapsed() + lasts);
        }
        Fault::PersisterKilled(number) => deployment.kill_persister(number),
        Fault::PersisterPaused(number) | Fault::PersisterDoomed(number) => deployment.persisters[number].0.pause(),
        Fault::ConnectionsCut => world.network.cut_all(),
        Fault::ClockJumps { seconds } => reality::jump_wall_clock(seconds),
        Fault::BusSlow => change(|weather| weather.bus_slow = true),
        Fault::ReadersSlow => {
            world.network.hold_back(true);
            // Nothing that they are told is late by the gateways' fault.
            world.gateway_is_paused(world.elapsed() + lasts);
        }
    }
}

fn end(world: &Arc<World>, deployment: &mut Deployment, fault: Fault) {
    let change = |change: fn(&mut Weather)| world.weather.send_modify(change);
    match fault {
        Fault::LogSilent => change(|weather| weather.log_silent = false),
        Fault::LogSlow => change(|weather| weather.log_slow = false),
        Fault::AppendsUncertain => change(|weather| weather.appends_uncertain = false),
        Fault::BusAway => change(|weather| weather.bus_away = false),
        Fault::BusAwayFor(number) => world.weather.send_modify(|weather| _ = weather.bus_away_for.remove(&format!("gateway-{number}"))),
        Fault::FramesLost => change(|weather| weather.frames_lost = false),
        Fault::NoticesLost => change(|weather| weather.notices_lost = false),
        Fault::BusAnswersLost => change(|weather| weather.bus_answers_lost = false),
        Fault::StoreAway => change(|weather| weather.store_away = false),
        Fault::StoreSlow => change(|weather| weather.store_slow = false),
        Fault::StoreAnswersLost => change(|weather| weather.store_answers_lost = false),
        Fault::StoreRefuses => change(|weather| weather.store_refuses = false),
        Fault::GatewayKilled(number) => deployment.restart_gateway(number),
        Fault::GatewayPaused(number) => {
            deployment.gateways[number].0.resume();
            world.gateway_is_paused(world.elapsed());
        }
        Fault::PersisterKilled(number) => deployment.restart_persister(number),
        Fault::PersisterPaused(number) => deployment.persisters[number].0.resume(),
        Fault::PersisterDoomed(number) => {
            deployment.persisters[number].0.doom();
            deployment.persisters[number].0.resume();
        }
        Fault::BusSlow => change(|weather| weather.bus_slow = false),
        Fault::ReadersSlow => {
            world.network.hold_back(false);
            world.gateway_is_paused(world.elapsed());
        }
        Fault::BusCut
        | Fault::BusEmptied
        | Fault::SetEvicted
        | Fault::TailsEvicted
        | Fault::BusRolledBack { .. }
        | Fault::ConnectionsCut
        | Fault::ClockJumps { .. } => {}
    }
}

fn partitions(world: &World) -> impl Iterator<Item = PartitionId> + use<> {
    (0..world.log.count()).map(PartitionId)
}

/// Waits until everybody has what they wanted, and then a little.
async fn settle(world: &Arc<World>, statuses: &[watch::Receiver<Status>]) {
    let quiet = async {
        loop {
            let idle = statuses.iter().all(|status| status.borrow().idle);
            if idle && verdict::is_stored(world).await {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    if timeout(RECOVERY, quiet).await.is_err() {
        let idle: Vec<_> = statuses.iter().map(|status| status.borrow().idle).collect();
        let stored = verdict::is_stored(world).await;
        world.violated("G14", format!("not everything is well {RECOVERY:?} after the last fault: clients idle {idle:?}, all stored {stored}"));
    }
    sleep(QUIET).await;
}

/// Copies of the bus' state, newest last: what a replica that lags behind holds.
#[derive(Debug, Default)]
struct Copies(VecDeque<(Duration, Vec<PartitionState>)>);

impl Copies {
    fn make(&mut self, world: &World) {
        let now = world.elapsed();
        if self.0.back().is_none_or(|(at, _)| now - *at >= COPY) {
            self.0.push_back((now, partitions(world).map(|partition| world.bus.snapshot(partition)).collect()));
        }
        while self.0.front().is_some_and(|(at, _)| now - *at > COPIES_AGE) {
            self.0.pop_front();
        }
    }

    fn go_back(&self, world: &World, age: Duration) {
        let before = world.elapsed().saturating_sub(age);
        let Some((_, states)) = self.0.iter().rev().find(|(at, _)| *at <= before).or(self.0.front()) else { return };
        partitions(world).zip(states).for_each(|(partition, state)| world.bus.roll_back(partition, state.clone()));
    }
}
