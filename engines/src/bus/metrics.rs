//! The buses' metrics: names, meanings and units.

use metrics::{Unit, counter, describe_counter};

const SUBSCRIBERS_CUT: &str = "parley_bus_subscribers_cut_total";

/// Gives the metrics their descriptions; call it once the recorder is installed.
pub fn describe() {
    describe_counter!(SUBSCRIBERS_CUT, Unit::Count, "Subscriber connections that were cut because events piled up; what they missed is repaired.");
}

pub(super) fn subscriber_cut() {
    counter!(SUBSCRIBERS_CUT).increment(1);
}
