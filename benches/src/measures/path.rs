//! What a delivery costs on the whole path: NGINX, gateway, Redis, and the producer in the gateway, for one room of 1 000 members. What Kafka, Postgres and
//! the persister take is not counted. The limit is NGINX with the same configuration in front of the broadcaster of `delivery`.

use std::time::Duration;

use anyhow::Context as _;
use parley_cluster::{Nginx, NginxConfig};

use super::Context;
use crate::{
    child::Child,
    cpu,
    crowd::{Crowd, Entrance},
    deployment::Deployment,
    people::Plan,
    report::{Aim, Measured, Rows},
    talk::{Round, Talk},
};

const PER_SECOND: u64 = 20;

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let members = context.scale.of(1_000, 50);
    let (rounds, time) = (context.scale.of(7, 2), Duration::from_secs(context.scale.of(8, 2)));
    let apart = cpu::Apart::new()?;
    let folder = context.folder.join("path");
    let deployment = context.runtime.block_on(Deployment::start(&folder, members, &[Plan { partition: 3, members: 0..members }]))?;
    deployment.serve(&apart)?;
    let broadcaster = Child::broadcaster()?;
    let front = |name: &str, behind| {
        let config = NginxConfig { gateways: vec![behind], ..NginxConfig::default() };
        let nginx = context.runtime.block_on(Nginx::start(&folder.join(name), &config))?;
        apart.serve(nginx.service())?;
        let pid = nginx.service().pid().context("NGINX is gone")?;
        anyhow::Ok((nginx, pid))
    };
    let (our_nginx, our_pid) = front("nginx", deployment.gateway.addr)?;
    let (its_nginx, its_pid) = front("nginx-of-the-limit", broadcaster.addr)?;

    let entrance = |token| Entrance { rooms: deployment.people.rooms.clone(), token: Some(token) };
    let entrances: Vec<_> = deployment.people.tokens()?.into_iter().map(entrance).collect();
    let servers = vec![our_pid, deployment.gateway_pid()?, deployment.redis_pid()?];
    let mut ours = Talk::ours(enter(&our_nginx, &entrances)?, servers, vec![(deployment.people.rooms[0], 0..members)])?;
    let entrances = vec![Entrance { token: None, rooms: Vec::new() }; members];
    let servers = vec![its_pid, broadcaster.pid()];
    let mut limit = Talk::limit(enter(&its_nginx, &entrances)?, servers, std::iter::once(0..members).collect(), |_| "say".to_owned());
    ours.warm(PER_SECOND, &mut [&mut limit.crowd])?;
    limit.crowd.say(0, &format!("set:{}", ours.frame()?))?;
    limit.warm(PER_SECOND, &mut [&mut ours.crowd])?;

    let mut rows = Rows::default();
    let (mut us, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        match (limit.round(PER_SECOND, time, &mut [&mut ours.crowd])?, ours.round(PER_SECOND, time, &mut [&mut limit.crowd])?) {
            (Ok(limit), Ok(ours)) => {
                limits.push(limit);
                us.push(ours);
            }
            (Err(why), _) | (_, Err(why)) => rows.void(why),
        }
    }
    let ratios = us.iter().zip(&limits).map(|(ours, limit)| ours.all_micros() / limit.all_micros());
    rows.add("ours ÷ limit", "", Some(Aim::AtMost(1.25, 1.08)), ratios);
    let mut each = |what: &str, rounds: &[Round], server: usize| rows.add(what, "µs", None, rounds.iter().map(|round| round.micros[server]));
    each("ours: NGINX", &us, 0);
    each("ours: gateway", &us, 1);
    each("ours: Redis", &us, 2);
    each("limit: NGINX", &limits, 0);
    each("limit: broadcaster", &limits, 1);
    Ok(rows.measured())
}

fn enter(nginx: &Nginx, entrances: &[Entrance]) -> anyhow::Result<Crowd> {
    let mut crowd = Crowd::new()?;
    crowd.enter(nginx.addr(), entrances)?;
    Ok(crowd)
}
