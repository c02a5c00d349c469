//! The gateway's whole metrics catalogue: names, meanings and units. No metric is named anywhere else, and none is labelled by user, room or message.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use parley_proto::PartitionId;

const SOCKETS: &str = "parley_gateway_sockets";
const SOCKET_CLOSES: &str = "parley_gateway_socket_closes_total";
const FRAMES_REFUSED: &str = "parley_gateway_frames_refused_total";
const FRAMES_DELIVERED: &str = "parley_gateway_frames_delivered_total";
const OUTBOX_OVERFLOWS: &str = "parley_gateway_outbox_overflows_total";
const SENDS: &str = "parley_gateway_sends_total";
const SEND_SECONDS: &str = "parley_gateway_send_seconds";
const VOTES: &str = "parley_gateway_votes_total";
const READ_MARKS: &str = "parley_gateway_read_marks_total";
const READS_ON_THEIR_WAY: &str = "parley_gateway_read_marks_on_their_way";
const TALLIES_SENT: &str = "parley_gateway_tallies_sent_total";
const NOTICE_GAPS: &str = "parley_gateway_notice_gaps_total";
const SUBSCRIBES: &str = "parley_gateway_subscribes_total";
const SUBSCRIBE_SECONDS: &str = "parley_gateway_subscribe_seconds";
const GAPS: &str = "parley_gateway_gaps_total";
const BEAT_REPAIRS: &str = "parley_gateway_beat_repairs_total";
const LOG_BEATS: &str = "parley_gateway_log_beats_total";
const BUS_CUTS: &str = "parley_gateway_bus_cuts_total";
const PASSWORD_RUNS: &str = "parley_gateway_password_runs_total";
const SIGN_INS: &str = "parley_gateway_sign_ins_total";
const RIGHTS_CHECKS: &str = "parley_gateway_rights_checks_total";
const REVOCATIONS_FOUND: &str = "parley_gateway_revocations_found_total";
const SOCKETS_UNVERIFIED: &str = "parley_gateway_sockets_unverified";
const REQUESTS: &str = "parley_gateway_requests_total";
const REQUEST_SECONDS: &str = "parley_gateway_request_seconds";
const LIMITED: &str = "parley_gateway_limited_total";
const LIMITS_ALONE: &str = "parley_gateway_limits_alone_total";
const SHED: &str = "parley_gateway_shed_total";
const RELAY_RECORDS: &str = "parley_relay_records_published_total";
const RELAY_SEEDS: &str = "parley_relay_seeds_total";
const RELAY_STOPPED: &str = "parley_relay_stopped_partitions";

/// Gives the metrics their descriptions; call it once the recorder is installed.
pub fn describe() {
    describe_gauge!(SOCKETS, Unit::Count, "Sockets that are open.");
    describe_counter!(SOCKET_CLOSES, Unit::Count, "Sockets that ended, by the close code that the server gave (1000: the client went).");
    describe_counter!(FRAMES_REFUSED, Unit::Count, "Clients' frames that were not understood.");
    describe_counter!(FRAMES_DELIVERED, Unit::Count, "Live frames put into sockets' outboxes.");
    describe_counter!(OUTBOX_OVERFLOWS, Unit::Count, "Outboxes that were full: their sockets are closed as too slow.");
    describe_counter!(SENDS, Unit::Count, "Sends, by answer: ack, rejected, unknown.");
    describe_histogram!(SEND_SECONDS, Unit::Seconds, "From a send's arrival to its answer.");
    describe_counter!(VOTES, Unit::Count, "Votes, by answer: ack, rejected, unknown.");
    describe_counter!(READ_MARKS, Unit::Count, "Read marks, by what became of them: appended, coalesced with another one, lost (given up).");
    describe_gauge!(READS_ON_THEIR_WAY, Unit::Count, "People and rooms with a read mark of the last second.");
    describe_counter!(TALLIES_SENT, Unit::Count, "Frames of tallies put into sockets' outboxes.");
    describe_counter!(NOTICE_GAPS, Unit::Count, "Lost notices of the persister that were noticed; what they said is read from the store.");
    describe_counter!(SUBSCRIBES, Unit::Count, "Subscribes and resumes, by where the answer came from: tail, store, resync.");
    describe_histogram!(SUBSCRIBE_SECONDS, Unit::Seconds, "From a subscribe or a room's resume to its answer.");
    describe_counter!(GAPS, Unit::Count, "Times that a view saw a gap in what the bus delivered, and read what was missing.");
    describe_counter!(BEAT_REPAIRS, Unit::Count, "Rooms that two beats found behind, and that were read.");
    describe_counter!(LOG_BEATS, Unit::Count, "Beats answered from the log, the bus being away.");
    describe_counter!(BUS_CUTS, Unit::Count, "Times that the subscriber connection to the bus broke.");
    describe_counter!(PASSWORD_RUNS, Unit::Count, "Runs of argon2, by outcome: done, failed, queue_full, too_old, gave_way, closed.");
    describe_counter!(SIGN_INS, Unit::Count, "Sign-ups, sign-ins, refreshes and sign-outs, by outcome.");
    describe_counter!(RIGHTS_CHECKS, Unit::Count, "People whose rights were looked at again, by who answered: store, bus, nobody.");
    describe_counter!(REVOCATIONS_FOUND, Unit::Count, "Ended rights of which no revocation had arrived, found by looking again.");
    describe_gauge!(SOCKETS_UNVERIFIED, Unit::Count, "Sockets that receive nothing because neither store nor bus vouches for their people's rights.");
    describe_counter!(REQUESTS, Unit::Count, "HTTP requests, by method, route template and status.");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "How long HTTP requests took, by route template.");
    describe_counter!(LIMITED, Unit::Count, "Times that a limit was reached and something was refused, or left out, for it, by limit.");
    describe_counter!(LIMITS_ALONE, Unit::Count, "Times that the bus did not answer and limits held for this process alone.");
    describe_counter!(SHED, Unit::Count, "Requests refused because this gateway had too much to do, by kind.");
    describe_counter!(RELAY_RECORDS, Unit::Count, "Records that this gateway's relay published.");
    describe_counter!(RELAY_SEEDS, Unit::Count, "Partitions of a bus without state that this gateway seeded.");
    describe_gauge!(RELAY_STOPPED, Unit::Count, "Partitions whose live delivery stopped at a record newer than this gateway.");
}

pub(crate) fn sockets(change: f64) {
    gauge!(SOCKETS).increment(change);
}

pub(crate) fn socket_closed(code: u16) {
    counter!(SOCKET_CLOSES, "code" => code.to_string()).increment(1);
}

pub(crate) fn frame_refused() {
    counter!(FRAMES_REFUSED).increment(1);
}

pub(crate) fn frames_delivered(count: usize) {
    counter!(FRAMES_DELIVERED).increment(count as u64);
}

pub(crate) fn outbox_overflowed() {
    counter!(OUTBOX_OVERFLOWS).increment(1);
}

pub(crate) fn send_answered(outcome: &'static str, seconds: f64) {
    counter!(SENDS, "outcome" => outcome).increment(1);
    histogram!(SEND_SECONDS).record(seconds);
}

pub(crate) fn vote_answered(outcome: &'static str) {
    counter!(VOTES, "outcome" => outcome).increment(1);
}

pub(crate) fn tallies_sent(frames: usize) {
    counter!(TALLIES_SENT).increment(frames as u64);
}

pub(crate) fn read_mark(outcome: &'static str) {
    counter!(READ_MARKS, "outcome" => outcome).increment(1);
}

pub(crate) fn reads_on_their_way(count: usize) {
    gauge!(READS_ON_THEIR_WAY).set(u32::try_from(count).unwrap_or(u32::MAX));
}

pub(crate) fn notice_gap() {
    counter!(NOTICE_GAPS).increment(1);
}

pub(crate) fn subscribed(tier: &'static str, seconds: f64) {
    counter!(SUBSCRIBES, "tier" => tier).increment(1);
    histogram!(SUBSCRIBE_SECONDS).record(seconds);
}

pub(crate) fn gap_seen() {
    counter!(GAPS).increment(1);
}

pub(crate) fn beat_repaired() {
    counter!(BEAT_REPAIRS).increment(1);
}

pub(crate) fn beat_from_log() {
    counter!(LOG_BEATS).increment(1);
}

pub(crate) fn bus_cut() {
    counter!(BUS_CUTS).increment(1);
}

pub(crate) fn limited(what: &'static str) {
    counter!(LIMITED, "limit" => what).increment(1);
}

pub(crate) fn limits_alone() {
    counter!(LIMITS_ALONE).increment(1);
}

pub(crate) fn shed(kind: &'static str) {
    counter!(SHED, "kind" => kind).increment(1);
}

pub(crate) fn relay_published(records: u64) {
    counter!(RELAY_RECORDS).increment(records);
}

pub(crate) fn relay_seeded() {
    counter!(RELAY_SEEDS).increment(1);
}

pub(crate) fn relay_stopped(partition: PartitionId) {
    gauge!(RELAY_STOPPED, "partition" => partition.to_string()).set(1.0);
}

pub(crate) fn password_run(outcome: &'static str) {
    counter!(PASSWORD_RUNS, "outcome" => outcome).increment(1);
}

pub(crate) fn sign_in(outcome: &'static str) {
    counter!(SIGN_INS, "outcome" => outcome).increment(1);
}

pub(crate) fn rights_checked(by: &'static str, people: usize) {
    counter!(RIGHTS_CHECKS, "by" => by).increment(people as u64);
}

pub(crate) fn revocation_found() {
    counter!(REVOCATIONS_FOUND).increment(1);
}

pub(crate) fn sockets_unverified(count: usize) {
    gauge!(SOCKETS_UNVERIFIED).set(count as f64);
}

/// `route` is the template, never the path.
pub(crate) fn request_answered(method: &'static str, route: &str, status: u16, seconds: f64) {
    counter!(REQUESTS, "method" => method, "route" => route.to_owned(), "status" => status.to_string()).increment(1);
    histogram!(REQUEST_SECONDS, "route" => route.to_owned()).record(seconds);
}
