//! The gateway's whole metrics catalogue. No metric is named anywhere else, and none is labelled by user, room or message.

use metrics::{counter, gauge, histogram};
use parley_proto::PartitionId;

/// Buckets of durations, in seconds.
pub const SECONDS: &[f64] = &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];

/// Sockets that are open.
pub(crate) fn sockets(change: f64) {
    gauge!("parley_gateway_sockets").increment(change);
}

/// A socket was closed by the server with this code.
pub(crate) fn socket_closed(code: u16) {
    counter!("parley_gateway_socket_closes_total", "code" => code.to_string()).increment(1);
}

/// A client's frame was not understood.
pub(crate) fn frame_refused() {
    counter!("parley_gateway_frames_refused_total").increment(1);
}

/// A live frame was put into an outbox.
pub(crate) fn frame_delivered() {
    counter!("parley_gateway_frames_delivered_total").increment(1);
}

/// An outbox was full: its socket is closed as too slow.
pub(crate) fn outbox_overflowed() {
    counter!("parley_gateway_outbox_overflows_total").increment(1);
}

/// A send was answered: `ack`, `rejected` or `unknown`.
pub(crate) fn send_answered(outcome: &'static str, seconds: f64) {
    counter!("parley_gateway_sends_total", "outcome" => outcome).increment(1);
    histogram!("parley_gateway_send_seconds").record(seconds);
}

/// A subscribe or resume was answered, `tier` says from where: `tail`, `store` or `resync`.
pub(crate) fn subscribed(tier: &'static str, seconds: f64) {
    counter!("parley_gateway_subscribes_total", "tier" => tier).increment(1);
    histogram!("parley_gateway_subscribe_seconds").record(seconds);
}

/// A view saw a gap in what the bus delivered.
pub(crate) fn gap_seen() {
    counter!("parley_gateway_gaps_total").increment(1);
}

/// A beat found a view behind, twice.
pub(crate) fn beat_repaired() {
    counter!("parley_gateway_beat_repairs_total").increment(1);
}

/// A beat was answered from the log, the bus being away.
pub(crate) fn beat_from_log() {
    counter!("parley_gateway_log_beats_total").increment(1);
}

/// The subscriber connection to the bus broke.
pub(crate) fn bus_cut() {
    counter!("parley_gateway_bus_cuts_total").increment(1);
}

/// The relay published this many records.
pub(crate) fn relay_published(records: u64) {
    counter!("parley_relay_records_published_total").increment(records);
}

/// A relay seeded a bus that had no state.
pub(crate) fn relay_seeded() {
    counter!("parley_relay_seeds_total").increment(1);
}

/// A partition's live delivery stopped at a record newer than this gateway.
pub(crate) fn relay_stopped(partition: PartitionId) {
    gauge!("parley_relay_stopped", "partition" => partition.to_string()).set(1.0);
}

/// A password run ended: `done`, `failed`, or was refused: `queue_full`, `too_old`, `closed`.
pub(crate) fn password_run(outcome: &'static str) {
    counter!("parley_gateway_password_runs_total", "outcome" => outcome).increment(1);
}

/// What became of a sign-up, sign-in, refresh or sign-out.
pub(crate) fn sign_in(outcome: &'static str) {
    counter!("parley_gateway_sign_ins_total", "outcome" => outcome).increment(1);
}

/// A request was answered; `route` is its template, never its path.
pub(crate) fn request_answered(method: &'static str, route: &str, status: u16, seconds: f64) {
    counter!("parley_gateway_requests_total", "method" => method, "route" => route.to_owned(), "status" => status.to_string()).increment(1);
    histogram!("parley_gateway_request_seconds", "route" => route.to_owned()).record(seconds);
}
