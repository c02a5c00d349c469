//! Rounds become a figure: the median, and how far the rounds lay apart.

use serde::{Deserialize, Serialize};

/// What rounds came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) rounds: usize,
}

impl Figure {
    /// Of at least one round.
    pub(crate) fn of(rounds: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = rounds.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let (lowest, highest) = (*values.first()?, *values.last()?);
        Some(Self { median: median(&values), lowest, highest, rounds: values.len() })
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// The value below which `share` of the sorted values lie.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_round_moves_the_spread_and_not_the_figure() {
        let figure = Figure::of([1.0, 9.0, 1.1, 1.2, 1.0]).unwrap();
        assert_eq!(figure, Figure { median: 1.1, lowest: 1.0, highest: 9.0, rounds: 5 });
        assert_eq!(Figure::of([2.0, 4.0]).unwrap().median, 3.0);
        assert_eq!(Figure::of([]), None);
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&sorted, 0.5), quantile(&sorted, 0.99), quantile(&sorted, 1.0)), (50.0, 99.0, 100.0));
    }
}
