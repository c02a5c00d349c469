//! Whether the time of a refused sign-in tells if there is such a person: tries with a wrong password at names that are known and at names that nobody has, in
//! turn. Everybody tries from an address of their own, so that no try waits because of another.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::ensure;
use parley_loadtest::client::{Account, ClientError, Credentials, http};
use tokio::time::Instant;

use super::Context;
use crate::{
    child::{Child, Under},
    cpu,
    report::{Measured, Rows},
    stats::quantile,
};

/// What names begin with: as long as each other.
const KNOWN: &str = "somebody";
const UNKNOWN: &str = "stranger";
const UNAUTHORISED: u16 = 401;

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let _apart = cpu::Apart::new()?;
    let folder = context.folder.join("sign-in");
    std::fs::create_dir_all(&folder)?;
    let server = Child::parley(&folder, &[], &Under::default())?;
    context.runtime.block_on(measure(context, &format!("http://{}", server.addr)))
}

async fn measure(context: &Context, url: &str) -> anyhow::Result<Measured> {
    let (people, rounds) = (context.scale.of(40, 3), context.scale.of(7, 1));
    for number in 0..people {
        let from = address(0, number);
        Account::sign_up(http(Some(from))?, url, &credentials(KNOWN, number), Some(from)).await?;
    }
    let (mut known, mut unknown, mut spread) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (mut theirs, mut nobodys) = (Vec::new(), Vec::new());
        for number in 0..people {
            let http = http(Some(address(round, number)))?;
            // What the connection takes is nobody's.
            http.get(url).send().await?.bytes().await?;
            let mut tries = [(KNOWN, &mut theirs), (UNKNOWN, &mut nobodys)];
            // Whoever comes second finds warm what the first one used.
            tries.rotate_left((number + round) % 2);
            for (who, times) in tries {
                times.push(refused(&http, url, &wrong(who, number)).await?);
            }
        }
        theirs.sort_unstable_by(f64::total_cmp);
        nobodys.sort_unstable_by(f64::total_cmp);
        known.push(quantile(&theirs, 0.5));
        unknown.push(quantile(&nobodys, 0.5));
        spread.push(quantile(&nobodys, 0.9) - quantile(&nobodys, 0.1));
    }
    let mut rows = Rows::default();
    rows.add("known name ÷ unknown name, medians", "", None, known.iter().zip(&unknown).map(|(known, unknown)| known / unknown));
    rows.add("known name, wrong password", "ms", None, known);
    rows.add("unknown name", "ms", None, unknown);
    rows.add("how far tries at unknown names lie apart (from a tenth to nine tenths of them)", "ms", None, spread);
    Ok(rows.measured())
}

/// How long it takes to be refused, in milliseconds.
async fn refused(http: &reqwest::Client, url: &str, credentials: &Credentials) -> anyhow::Result<f64> {
    let began = Instant::now();
    let answer = Account::sign_in(http.clone(), url, credentials).await;
    let took = began.elapsed();
    ensure!(matches!(answer, Err(ClientError::Refused { status: UNAUTHORISED, .. })), "{answer:?}");
    Ok(took.as_secs_f64() * 1e3)
}

fn credentials(who: &str, number: usize) -> Credentials {
    Credentials { user_name: format!("{who}-{number}"), password: "a walrus in marigold socks".to_owned() }
}

fn wrong(who: &str, number: usize) -> Credentials {
    Credentials { password: "a walrus in mustard socks".to_owned(), ..credentials(who, number) }
}

fn address(round: usize, number: usize) -> IpAddr {
    let byte = |value: usize| u8::try_from(value % 250).unwrap_or(0) + 1;
    Ipv4Addr::new(127, 17, byte(round), byte(number)).into()
}
