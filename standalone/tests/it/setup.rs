//! What a conversation needs of whatever serves it.

/// So high that nobody who tests something else meets them: the settings as an operator writes them.
pub(crate) const PATIENT: [(&str, &str); 4] = [
    ("PARLEY_LIMIT_SENDS", "1000/s,2000"),
    ("PARLEY_LIMIT_VOTES", "1000/s,2000"),
    ("PARLEY_LIMIT_READS", "1000/s,2000"),
    ("PARLEY_LIMIT_CONNECTS", "100/s,200"),
];

/// A deployment with at least one gateway. People and rooms of other tests may be there.
pub(crate) trait Setup {
    /// The first gateway.
    fn url(&self) -> String;

    /// Another gateway on the same engines.
    async fn second_url(&mut self) -> String;

    /// The bus forgets everything.
    async fn empty_bus(&self);

    /// From now on messages are in the log only; whoever implements this has it run again afterwards.
    async fn stop_persister(&mut self);

    /// Ends the first gateway as a deployment does.
    async fn drain_first_gateway(&mut self);
}

/// Calls `$macro` with the names of all conversations that hold on any set-up.
macro_rules! conversations {
    ($macro:ident) => {
        $macro! {
            two_people_talk_and_both_see_the_same_order,
            one_connection_s_messages_stand_in_the_order_in_which_it_sent_them,
            retries_through_several_gateways_give_one_message,
            a_discarded_message_never_appears_and_a_sent_one_can_not_be_discarded,
            a_send_that_can_not_be_is_refused_before_the_log,
            who_comes_back_gets_what_was_missed_once_whatever_the_tier,
            who_missed_too_much_gets_the_newest_page,
            a_foreign_token_resumes_nothing,
            history_pages_meet_without_hole_or_double,
            leaving_ends_delivery_and_sign_out_ends_the_socket,
            a_session_that_is_ended_anywhere_ends_its_sockets_at_another_gateway,
            who_leaves_a_room_hears_nothing_more_of_it_at_any_gateway,
            whoever_leaves_while_subscribing_ends_up_outside,
            rooms_that_are_not_open_tell_that_something_happened,
            a_sender_is_told_when_the_message_is_stored,
            a_draining_gateway_sends_its_sockets_away_and_they_miss_nothing,
            a_hundred_rooms_and_no_more,
        }
    };
}

pub(crate) use conversations;
