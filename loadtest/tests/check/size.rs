//! The checker's own size: how long it takes is printed, never asserted.

use parley_loadtest::check::Verdict;
use tokio::time::Instant;

use crate::story::{Story, room};

/// Messages of the big run here. `MESSAGES=1000000` tries a million.
const MESSAGES: usize = 20_000;

#[test]
fn a_long_run_is_judged_in_one_go() {
    let messages = std::env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(MESSAGES);
    let mut story = Story::new();
    for who in ["ada", "bo"] {
        story.comes(who);
        for number in 1..=4 {
            story.subscribes(who, room(number));
        }
    }
    for number in 0..messages {
        let room = room(u8::try_from(number % 4).unwrap() + 1);
        story.says(if number % 2 == 0 { "ada" } else { "bo" }, room, &number.to_string(), &["ada", "bo"]);
    }
    story.all_is_quiet();
    let began = Instant::now();
    let judgement = story.judge();
    println!("{messages} messages were judged in {:?}", began.elapsed());
    assert_eq!(judgement.verdict(), Verdict::Valid, "{judgement}");
    assert_eq!(judgement.counts.acked_messages, messages as u64);
}
