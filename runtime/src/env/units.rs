//! Durations and sizes as people write them.

use std::{fmt, str::FromStr, time::Duration};

/// Milliseconds per unit, largest first; `ms` before `s` and `m`, so that a suffix is found by its longest match.
const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

pub(super) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let (number, millis) = split(text, &DURATION_UNITS).ok_or("a duration is a whole number and one of ms, s, m, h, d")?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or("the duration is too long")
}

pub(super) fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |unit: &&(&str, u64)| millis != 0 && millis.is_multiple_of(unit.1);
    let (unit, size) = DURATION_UNITS.iter().filter(fits).max_by_key(|(_, size)| *size).unwrap_or(&("s", 1_000));
    format!("{}{unit}", millis / size)
}

/// A number of bytes: `512`, `512B`, `64KiB`, `64MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// As a bound of something in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(bytes) = text.parse() {
            return Ok(Self(bytes));
        }
        let (number, size) = split(text, &SIZE_UNITS).ok_or("a size is a whole number and one of B, KiB, MiB, GiB")?;
        number.checked_mul(size).map(Self).ok_or("the size is too large")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = SIZE_UNITS.iter().find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size)).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

fn split(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?.trim_end().parse().ok()?, *size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them_and_written_in_the_largest_unit_that_fits() {
        for (text, millis, written) in
            [("250ms", 250, "250ms"), ("10s", 10_000, "10s"), ("90 s", 90_000, "90s"), ("5m", 300_000, "5m"), ("24h", 86_400_000, "1d"), ("0s", 0, "0s")]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(format_duration(Duration::from_millis(millis)), written);
        }
        for bad in ["", "10", "s", "-1s", "1.5s", "1w", "10 000s", "999999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them_and_written_in_the_largest_unit_that_fits() {
        for (text, bytes, written) in [("512", 512, "512B"), ("512B", 512, "512B"), ("64 MiB", 64 << 20, "64MiB"), ("1024KiB", 1 << 20, "1MiB"), ("0", 0, "0B")]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
            assert_eq!(ByteSize(bytes).to_string(), written);
        }
        for bad in ["", "MiB", "64MB", "1.5GiB", "99999999999GiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }
}
