//! Which known name a misspelt one probably means.

use std::collections::BTreeSet;

/// More edits than this are no slip of the finger; nor is half of a name.
const EDITS_MAX: usize = 3;

pub(super) fn nearest<'a>(name: &str, known: &BTreeSet<&'a str>) -> Option<&'a str> {
    let plausible = |(edits, candidate): &(usize, &str)| *edits <= EDITS_MAX && 2 * edits < candidate.len() - super::PREFIX.len();
    known.iter().map(|candidate| (edits(name, candidate), *candidate)).filter(plausible).min().map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, by rows.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<_> = other.chars().collect();
    let mut row: Vec<_> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (one, other, expected) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("same", "same", 0), ("ab", "ba", 2)] {
            assert_eq!(edits(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_name_is_proposed_unless_it_is_far() {
        let known = BTreeSet::from(["PARLEY_LOG", "PARLEY_LOG_URL", "PARLEY_BUS_URL"]);
        assert_eq!(nearest("PARLEY_BUSURL", &known), Some("PARLEY_BUS_URL"));
        assert_eq!(nearest("PARLEY_LGO_URL", &known), Some("PARLEY_LOG_URL"));
        assert_eq!(nearest("PARLEY_SOMETHING_ELSE", &known), None);
    }
}
