//! What holds is not called broken.

use parley_loadtest::{
    check::{Needs, Promise, Verdict},
    history::{Deed, Event},
};
use parley_proto::{ErrorCode, Kind};

use crate::story::{Story, room, user};

/// People talk, vote, go and come back, retry, leave and sign out, and everything goes well. A fault lies in the middle.
pub(crate) fn sound() -> Story {
    let mut story = Story::new();
    let all = ["ada", "bo"];
    for who in all {
        story.comes(who);
        story.subscribes(who, room(1));
        story.subscribes(who, room(2));
    }
    let first = story.says("ada", room(1), "first", &all);
    story.says("bo", room(2), "elsewhere", &all);
    story.votes("bo", room(1), first.id, 1, &all);
    story.says("ada", room(1), "second", &all);
    story.goes("bo");
    let began = story.now;
    story.says("ada", room(1), "while bo is away", &["ada"]);
    story.now += 1_000_000;
    story.trouble("pause", "redis", began, story.now);
    story.resumes("bo");
    story.says("ada", room(1), "bo is back", &all);
    story.comes("cy");
    story.subscribes("cy", room(1));
    let all = ["ada", "bo", "cy"];
    story.votes("cy", room(1), first.id, -1, &all);
    story.votes("bo", room(1), first.id, 0, &all);
    story.says("cy", room(1), "last", &all);
    story.leaves("cy", room(1), &["ada", "bo"]);
    story.says("ada", room(1), "without cy", &["ada", "bo"]);
    story.signs_out("cy");
    story
}

#[test]
fn a_sound_run_is_valid() {
    let mut story = sound();
    story.all_is_quiet();
    let judgement = story.judge();
    assert_eq!(judgement.verdict(), Verdict::Valid, "{judgement}");
    for promise in Promise::ALL.iter().filter(|promise| !matches!(promise, Promise::Memory | Promise::Whole)) {
        // What is never looked at holds always.
        let needs_a_rejection = matches!(promise, Promise::Refusal);
        assert!(needs_a_rejection || judgement.findings.checked(*promise) > 0, "{promise:?} was not looked at\n{judgement}");
    }
    assert_eq!((judgement.counts.resumes, judgement.counts.leaves, judgement.counts.sign_outs), (2, 1, 1));
}

#[test]
fn a_page_is_held_to_the_subscribe_that_it_answers_and_not_to_a_later_one() {
    let mut story = sound();
    let first = story.asks_for("bo", room(1));
    let page = story.page("bo", first, room(1));
    story.says("ada", room(1), "acked after the first subscribe was answered, and before the second was sent", &["ada"]);
    let second = story.asks_for("bo", room(1));
    story.note("bo", page);
    let page = story.page("bo", second, room(1));
    story.note("bo", page);
    let judgement = story.judge();
    assert_eq!(judgement.verdict(), Verdict::Valid, "{judgement}");
}

#[test]
fn who_signs_out_is_away_until_they_say_hello_again_though_something_still_came() {
    let mut story = sound();
    let began = story.now;
    story.note("bo", Event::Asked { deed: Deed::SignOut });
    story.says("ada", room(1), "on its way already", &["ada", "bo"]);
    story.note("bo", Event::Done { deed: Deed::SignOut });
    story.goes("bo");
    let ended = story.now;
    story.trouble("reset", "gateway-1~postgres", began, ended);
    story.says("ada", room(1), "at once", &["ada"]);
    story.now += 7_000_000;
    story.hello("bo", None);
    story.subscribes("bo", room(1));
    story.says("ada", room(1), "afterwards", &["ada", "bo"]);
    let judgement = story.judge();
    assert_eq!(judgement.verdict(), Verdict::Valid, "{judgement}");
}

#[test]
fn a_replay_answers_the_hello_and_not_a_subscribe_that_was_sent_since() {
    let mut story = sound();
    story.goes("bo");
    story.says("ada", room(1), "missed", &["ada"]);
    let replays = story.asks_to_resume("bo");
    story.asks_for("bo", room(1));
    story.says("ada", room(1), "acked before that subscribe is answered, and after the hello", &["ada"]);
    story.asks_for("bo", room(1));
    story.replayed("bo", replays);
    story.subscribes("bo", room(1));
    let judgement = story.judge();
    assert_eq!(judgement.verdict(), Verdict::Valid, "{judgement}");
}

#[test]
fn an_unknown_outcome_may_be_either_and_a_retry_tells() {
    let mut story = sound();
    for taken in [true, false] {
        let record = story.record(Kind::Message, room(1), user("bo"), "perhaps");
        story.try_send("bo", &record, false);
        let sent = taken.then(|| story.append(&record));
        story.note("bo", Event::Unknown { cid: record.cid, last: false });
        story.try_send("bo", &record, true);
        // What was not taken at first is taken now; else this one is a repeat.
        let again = story.append(&record);
        story.ack("bo", sent.unwrap_or(again));
    }
    let refused = story.record(Kind::Message, room(1), user("bo"), "never");
    story.try_send("bo", &refused, false);
    story.note("bo", Event::Rejected { cid: refused.cid, code: ErrorCode::RateLimited, last: false });
    let judgement = story.judge();
    assert_eq!(judgement.verdict(), Verdict::Valid, "{judgement}");
    assert!(judgement.findings.checked(Promise::Refusal) > 0 && judgement.counts.retried == 2);
}

#[test]
fn a_run_that_reached_too_little_is_unknown() {
    for needs in [
        Needs { acked: 1_000, ..Needs::default() },
        Needs { resumes: 100, ..Needs::default() },
        Needs { retried: 1, ..Needs::default() },
        Needs { from_log_alone: 1, ..Needs::default() },
    ] {
        let mut story = sound();
        story.needs = needs;
        let judgement = story.judge();
        assert_eq!((judgement.verdict(), judgement.missing.len()), (Verdict::Unknown, 1), "{judgement}");
    }
}

#[test]
fn a_fault_without_effect_makes_a_run_unknown() {
    let mut story = sound();
    story.troubles[0].effect = None;
    let judgement = story.judge();
    assert_eq!(judgement.verdict(), Verdict::Unknown);
    assert!(judgement.to_string().contains("pause of redis"), "{judgement}");
}

#[test]
fn a_resume_that_is_answered_from_the_log_alone_is_counted() {
    let mut story = sound();
    let end = story.now;
    story.troubles[0].ended = end;
    story.troubles[0].only_in_log = vec![(room(1).partition(), parley_proto::Cursor::ZERO, parley_proto::Cursor(100))];
    story.needs = Needs { from_log_alone: 1, ..Needs::default() };
    let judgement = story.judge();
    assert!(judgement.counts.from_log_alone > 0, "{judgement}");
}
