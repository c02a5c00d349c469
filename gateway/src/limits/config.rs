//! The table of limits, as an operator can set it.

use std::time::Duration;

use parley_engines::bus::rate::Rate;
use parley_runtime::env::Env;

use super::What;

/// How much one person or address may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    pub sends: Rate,
    pub votes: Rate,
    pub reads: Rate,
    pub rooms_created: Rate,
    pub connects: Rate,
    pub sign_ins: Rate,
    pub sign_ins_account: Rate,
    pub sockets_per_user: u32,
    pub sockets_per_address: u32,
    /// Members of one room.
    pub room_members: u64,
    /// Requests of all sockets under way in this process; the dearer ones are refused before that.
    pub requests_in_flight: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            sends: Rate::new(10, SECOND, 20),
            votes: Rate::new(5, SECOND, 20),
            reads: Rate::new(5, SECOND, 20),
            rooms_created: Rate::new(20, DAY, 20),
            connects: Rate::new(5, SECOND, 20),
            sign_ins: Rate::new(30, MINUTE, 5),
            sign_ins_account: Rate::new(10, MINUTE, 30),
            sockets_per_user: 10,
            sockets_per_address: 200,
            room_members: 100_000,
            requests_in_flight: 4_096,
        }
    }
}

impl LimitsConfig {
    /// Reads `PARLEY_*`.
    pub(crate) fn read(env: &mut Env) -> Self {
        let defaults = Self::default();
        let config = Self {
            sends: env.parse("PARLEY_LIMIT_SENDS", defaults.sends, "messages of one person: so many in a time, and so many at once"),
            votes: env.parse("PARLEY_LIMIT_VOTES", defaults.votes, "votes of one person"),
            reads: env.parse("PARLEY_LIMIT_READS", defaults.reads, "subscribes and pages of history of one person"),
            rooms_created: env.parse("PARLEY_LIMIT_ROOMS", defaults.rooms_created, "rooms that one person makes"),
            connects: env.parse("PARLEY_LIMIT_CONNECTS", defaults.connects, "sockets that one address opens"),
            sign_ins: env.parse(
                "PARLEY_LIMIT_SIGN_INS",
                defaults.sign_ins,
                "tries to sign in to one account from one address; after four times the burst fifteen times slower, then again",
            ),
            sign_ins_account: env.parse(
                "PARLEY_LIMIT_SIGN_INS_ACCOUNT",
                defaults.sign_ins_account,
                "tries to sign in to one account from anywhere, above which they wait for nothing and give way to others",
            ),
            sockets_per_user: env.parse("PARLEY_SOCKETS_PER_USER", defaults.sockets_per_user, "open sockets of one person; more is 4029"),
            sockets_per_address: env.parse("PARLEY_SOCKETS_PER_ADDRESS", defaults.sockets_per_address, "open sockets of one address; more is 4029"),
            room_members: env.parse("PARLEY_ROOM_MEMBERS", defaults.room_members, "members of one room"),
            requests_in_flight: env.parse(
                "PARLEY_SOCKET_REQUESTS_IN_FLIGHT",
                defaults.requests_in_flight,
                "requests of all sockets under way; presence is refused from half of it on, old history from 70 %, subscribes from 85 %, sends at last",
            ),
        };
        if config.sockets_per_user == 0 || config.sockets_per_address == 0 || config.room_members == 0 || config.requests_in_flight == 0 {
            env.mistake("PARLEY_SOCKETS_PER_USER, PARLEY_SOCKETS_PER_ADDRESS, PARLEY_ROOM_MEMBERS, PARLEY_SOCKET_REQUESTS_IN_FLIGHT", "must be at least 1");
        }
        config
    }

    /// The delay between tries at one account from one address grows with their number: three buckets, each larger and slower than the one before.
    pub(super) fn rate(&self, what: What) -> Rate {
        match what {
            What::Sends => self.sends,
            What::Votes => self.votes,
            What::Reads => self.reads,
            What::RoomsCreated => self.rooms_created,
            What::Connects => self.connects,
            What::SignIns => self.sign_ins,
            What::SignInsMany => self.sign_ins.slower(15, 4),
            What::SignInsVeryMany => self.sign_ins.slower(225, 16),
            What::SignInsAccount => self.sign_ins_account,
        }
    }
}
