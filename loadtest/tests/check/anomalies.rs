//! One thing is wrong, and the promise that it breaks is named.

use parley_loadtest::{
    check::{Promise, Verdict},
    history::{Event, How},
};
use parley_proto::{Cursor, ErrorCode, Kind, Position, Record, wire::RoomCursor};

use crate::{
    sound::sound,
    story::{Story, room, user},
};

/// The story turns out invalid, by this promise among others.
#[track_caller]
fn breaks(promise: Promise, spoil: impl FnOnce(&mut Story)) {
    let mut story = sound();
    spoil(&mut story);
    story.all_is_quiet();
    let judgement = story.judge();
    assert_eq!(judgement.verdict(), Verdict::Invalid, "{judgement}");
    assert!(judgement.findings.broken().contains(&promise), "{promise:?} is not among\n{judgement}");
}

/// What was answered to a record.
type Told = fn(&Record) -> Event;

/// Sent by Bo and answered so, whether the log took it or not.
fn answered(story: &mut Story, taken: bool, answers: &[(bool, Told)]) {
    let record = story.record(Kind::Message, room(3), user("bo"), "whatever");
    for (retry, answer) in answers {
        story.try_send("bo", &record, *retry);
        story.note("bo", answer(&record));
    }
    if taken {
        story.append(&record);
    }
}

fn rejected(record: &Record) -> Event {
    Event::Rejected { cid: record.cid, code: ErrorCode::Unavailable, last: false }
}

fn cancelled(record: &Record) -> Event {
    Event::Rejected { cid: record.cid, code: ErrorCode::Cancelled, last: true }
}

fn unknown(record: &Record) -> Event {
    Event::Unknown { cid: record.cid, last: false }
}

fn acked(record: &Record) -> Event {
    Event::Ack { cid: record.cid, id: record.id(), at_most: Position(1_000) }
}

/// The n-th live line that a client was shown.
fn nth_frames(story: &mut Story, who: &str, nth: usize, mut change: impl FnMut(&mut Vec<parley_loadtest::history::Shown>)) {
    let mut seen = 0;
    story.change(who, |(_, event)| {
        if let Event::Frames { items, .. } = event {
            if seen == nth {
                change(items);
            }
            seen += 1;
        }
    });
}

#[test]
fn an_acked_message_that_is_nowhere() {
    breaks(Promise::Durable, |story| answered(story, false, &[(false, acked)]));
}

#[test]
fn an_acked_message_that_is_nowhere_after_a_retry() {
    breaks(Promise::Durable, |story| answered(story, false, &[(false, unknown), (true, acked)]));
}

#[test]
fn an_acked_message_with_another_body() {
    breaks(Promise::Durable, |story| {
        story.change("ada", |(_, event)| {
            if let Event::Send { body, .. } = event {
                *body ^= 1;
            }
        });
    });
}

#[test]
fn an_acked_message_above_the_position_that_the_ack_told() {
    breaks(Promise::Durable, |story| {
        story.change("ada", |(_, event)| {
            if let Event::Ack { at_most, .. } = event {
                at_most.0 = at_most.0.saturating_sub(1);
            }
        });
    });
}

#[test]
fn a_message_that_was_only_rejected_and_is_there() {
    breaks(Promise::Refusal, |story| answered(story, true, &[(false, rejected), (false, rejected)]));
}

#[test]
fn a_retry_that_is_rejected_without_its_cancel() {
    breaks(Promise::Refusal, |story| answered(story, false, &[(false, unknown), (true, rejected)]));
}

#[test]
fn a_cancelled_message_that_is_there() {
    breaks(Promise::Refusal, |story| answered(story, true, &[(false, unknown), (true, cancelled)]));
}

#[test]
fn a_send_that_is_answered_after_three_seconds() {
    breaks(Promise::Answered, |story| {
        let record = story.record(Kind::Message, room(1), user("bo"), "slow");
        story.try_send("bo", &record, false);
        story.now += 3_000_000;
        story.note("bo", unknown(&record));
    });
}

#[test]
fn a_line_at_another_position() {
    breaks(Promise::Order, |story| nth_frames(story, "bo", 2, |items| items[0].0.0 += 1));
}

#[test]
fn two_lines_the_wrong_way_round() {
    breaks(Promise::Order, |story| {
        story.change("cy", |(_, event)| {
            if let Event::Page { items, .. } = event {
                items.reverse();
            }
        });
    });
}

#[test]
fn one_identity_that_counts_twice() {
    breaks(Promise::Once, |story| {
        let record = story.record(Kind::Message, room(3), user("bo"), "again");
        story.try_send("bo", &record, false);
        let sent = story.append(&record);
        story.ack("bo", sent);
        // Its floor lies above the first occurrence: no reader can tell.
        let later = Record { floor: sent.position.next(), ..record };
        story.append(&later);
    });
}

#[test]
fn a_repeat_that_is_shown() {
    breaks(Promise::Once, |story| {
        let record = story.record(Kind::Message, room(1), user("bo"), "twice");
        let first = story.append(&record);
        let second = story.append(&record);
        let body = parley_loadtest::history::digest("twice");
        let line = |sent: crate::story::Sent| (sent.position, sent.id, user("bo"), body);
        story.note("ada", Event::Frames { room: room(1), prev: Cursor::ZERO, items: vec![line(first), line(second)] });
    });
}

#[test]
fn a_live_line_that_is_left_out() {
    breaks(Promise::Resume, |story| {
        let mut seen = 0;
        story.clients.get_mut("bo").unwrap().retain(|(_, event)| {
            seen += usize::from(matches!(event, Event::Frames { .. }));
            seen != 3 || !matches!(event, Event::Frames { .. })
        });
    });
}

#[test]
fn a_hole_that_is_told() {
    breaks(Promise::Resume, |story| {
        story.change("bo", |(_, event)| {
            if let Event::Frames { prev, .. } = event {
                prev.0 += 1;
            }
        });
    });
}

#[test]
fn a_live_line_that_comes_twice() {
    breaks(Promise::Resume, |story| {
        let last = story.clients["bo"].iter().rev().find(|(_, event)| matches!(event, Event::Frames { .. })).cloned().unwrap();
        story.note("bo", last.1);
    });
}

#[test]
fn a_replay_that_leaves_something_out() {
    breaks(Promise::Resume, |story| {
        story.change("bo", |(_, event)| {
            if let Event::Replay { items, .. } = event {
                items.clear();
            }
        });
    });
}

#[test]
fn a_replay_that_ends_below_what_was_acked_before() {
    breaks(Promise::Resume, |story| {
        story.change("bo", |(_, event)| {
            if let Event::Replay { items, cursor, prev, .. } = event {
                items.clear();
                *cursor = *prev;
            }
        });
    });
}

#[test]
fn a_cursor_that_is_raised_over_a_line() {
    breaks(Promise::Resume, |story| {
        story.says("ada", room(1), "not shown to bo", &["ada"]);
        story.note("bo", Event::Cursors { items: vec![RoomCursor { room: room(1), cursor: Cursor(1_000) }] });
    });
}

#[test]
fn a_line_that_never_comes() {
    breaks(Promise::Resume, |story| {
        story.says("ada", room(1), "not shown to bo", &["ada"]);
    });
}

#[test]
fn a_subscribe_without_the_newest_line_that_was_acked_before() {
    breaks(Promise::Subscribe, |story| {
        story.change("cy", |(_, event)| {
            if let Event::Page { how: How::Subscribed(_), end, items, .. } = event {
                *end = items.pop().unwrap().0.at();
            }
        });
    });
}

#[test]
fn a_subscribe_that_is_answered_twice() {
    breaks(Promise::Subscribe, |story| {
        let reference = story.asks_for("bo", room(1));
        for _ in 0..2 {
            let page = story.page("bo", reference, room(1));
            story.note("bo", page);
        }
    });
}

#[test]
fn a_subscribe_with_a_hole_in_the_middle() {
    breaks(Promise::Subscribe, |story| {
        story.change("cy", |(_, event)| {
            if let Event::Page { items, .. } = event {
                items.remove(1);
            }
        });
    });
}

#[test]
fn a_tally_that_is_not_the_sum() {
    breaks(Promise::Tallies, |story| {
        story.change("ada", |(_, event)| {
            if let Event::Tallies { votes, .. } = event {
                votes.items[0].1 += 1;
            }
        });
    });
}

#[test]
fn an_own_vote_that_is_another() {
    breaks(Promise::Tallies, |story| {
        story.change("bo", |(_, event)| {
            if let Event::Tallies { votes, .. } = event {
                votes.items[0].3 = votes.items[0].3.map(|mine| -1 - mine);
            }
        });
    });
}

#[test]
fn a_last_tally_that_never_comes() {
    breaks(Promise::Converged, |story| {
        let last = story.clients["bo"].iter().rposition(|(_, event)| matches!(event, Event::Tallies { .. })).unwrap();
        story.clients.get_mut("bo").unwrap().remove(last);
    });
}

#[test]
fn a_line_above_the_one_that_says_they_left() {
    breaks(Promise::Revocation, |story| {
        story.comes("di");
        story.subscribes("di", room(1));
        story.leaves("di", room(1), &["ada", "bo"]);
        story.says("ada", room(1), "not for di", &["ada", "bo", "di"]);
    });
}

#[test]
fn something_that_comes_long_after_leaving() {
    breaks(Promise::Revocation, |story| {
        story.comes("di");
        story.subscribes("di", room(1));
        let said = story.says("ada", room(1), "for di", &["ada", "bo"]);
        story.leaves("di", room(1), &["ada", "bo"]);
        story.now += 31_000_000;
        let line = (said.position, said.id, user("ada"), parley_loadtest::history::digest("for di"));
        story.note("di", Event::Frames { room: room(1), prev: Cursor::ZERO, items: vec![line] });
    });
}

#[test]
fn a_socket_that_stays_open_after_signing_out() {
    breaks(Promise::Revocation, |story| {
        story.change("cy", |(at, event)| {
            if matches!(event, Event::Closed { code: Some(4501), .. }) {
                *at += 31_000_000;
            }
        });
    });
}

#[test]
fn two_sends_of_one_connection_the_wrong_way_round() {
    breaks(Promise::Session, |story| {
        let records = ["one", "two"].map(|text| story.record(Kind::Message, room(3), user("bo"), text));
        for record in &records {
            story.try_send("bo", record, false);
        }
        for record in records.iter().rev() {
            let sent = story.append(record);
            story.ack("bo", sent);
        }
    });
}

#[test]
fn a_body_that_is_not_what_was_sent() {
    breaks(Promise::Integrity, |story| nth_frames(story, "bo", 1, |items| items[0].3 ^= 1));
}

#[test]
fn a_sender_who_is_somebody_else() {
    breaks(Promise::Integrity, |story| nth_frames(story, "bo", 1, |items| items[0].2 = user("eve")));
}

#[test]
fn a_message_of_another_room() {
    breaks(Promise::Integrity, |story| {
        let elsewhere = story.says("ada", room(2), "for room 2", &["ada", "bo"]);
        let line = (elsewhere.position, elsewhere.id, user("ada"), parley_loadtest::history::digest("for room 2"));
        story.note("ada", Event::Frames { room: room(1), prev: Cursor::ZERO, items: vec![line] });
    });
}

#[test]
fn a_message_that_nobody_sent() {
    breaks(Promise::Integrity, |story| {
        let made_up = story.record(Kind::Message, room(1), user("eve"), "made up").id();
        story.note("ada", Event::Frames { room: room(1), prev: Cursor::ZERO, items: vec![(Position(900), made_up, user("eve"), 1)] });
    });
}

#[test]
fn live_delivery_that_is_back_too_late() {
    breaks(Promise::Live, |story| {
        let began = story.now;
        story.trouble("kill", "kafka-1", began, began + 10);
        story.now += 6_000_000;
        story.says("ada", room(1), "at last", &["ada", "bo"]);
    });
}

#[test]
fn a_killed_gateway_s_people_are_back_within_two_seconds_of_the_kill() {
    breaks(Promise::Live, |story| {
        let began = story.now;
        story.trouble("kill", "gateway-1", began, began + 2_500_000);
        story.now += 2_600_000;
        story.says("ada", room(1), "at last", &["ada", "bo"]);
    });
}
