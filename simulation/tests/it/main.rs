//! The simulation as `make simulate` runs it.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_same_seed_is_the_same_run_to_the_byte() {
    for seed in ["3", "77"] {
        let runs = [0, 1].map(|_| text(&simulate(&["run", "--seed", seed, "--trace"])));
        assert!(runs[0].lines().count() > 200, "a run tells what happens: {}", runs[0]);
        assert!(runs[0] == runs[1], "seed {seed} went two ways");
    }
    assert_ne!(text(&simulate(&["run", "--seed", "3", "--trace"])), text(&simulate(&["run", "--seed", "4", "--trace"])));
}

#[test]
fn no_promise_is_broken_in_two_hundred_runs() {
    let output = simulate(&["many", "--seeds", "200", "--first", "1"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).ends_with("200 seeds clean, 0 failed\n"), "{}", text(&output));
}

/// Each of these broke a promise once: docs/simulation.md says which, and why.
#[test]
fn what_once_broke_a_promise_does_so_no_more() {
    for seed in ["4", "14", "15", "20", "23", "205"] {
        let output = simulate(&["run", "--seed", seed]);
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// The runs beside bugs on purpose, without the bug: more of one fault than a seed draws, and where it says so without what else would mend it.
#[test]
fn what_such_runs_found_is_found_no_more() {
    for (bug, seeds) in [("snapshot before subscribe", 1..=25), ("votes without the identity rule", 25..=25), ("history from the store only", 8..=8)] {
        for seed in seeds {
            let output = simulate(&["run", "--seed", &seed.to_string(), "--bug", bug, "--control"]);
            assert!(output.status.success(), "{bug}: {}", text(&output));
        }
    }
}

/// `make simulate-bugs` has another build.
#[cfg(not(feature = "planted-bugs"))]
#[test]
fn the_usual_build_has_no_bug_to_switch_on() {
    let output = simulate(&["run", "--seed", "1", "--bug", "relay without the fold"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("this build's has none"), "{output:?}");
}
