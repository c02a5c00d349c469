//! What librdkafka says goes where our own lines go.

use rdkafka::{ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError};

/// The context of clients that have nothing to call back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logging;

impl ClientContext for Logging {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, kafka.reason = reason, "a Kafka client reports an error");
    }
}

impl ConsumerContext for Logging {}

/// A broker that is away is logged by whoever misses it, once; the library says it at each attempt.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(kafka.facility = facility, kafka.message = message, "librdkafka speaks");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::info!(kafka.facility = facility, kafka.message = message, "librdkafka speaks"),
        _ => tracing::debug!(kafka.facility = facility, kafka.message = message, "librdkafka speaks"),
    }
}
