//! The store's contract: functions that any engine has to pass. An engine adds itself with one line at the end.

mod accounts;
mod fixture;
mod model;
mod postgres;
mod projection;
mod rooms;
mod sqlite;
mod timeline;
mod upkeep;
mod votes;

/// An engine on a database of its own.
trait Engine {
    fn store(&self) -> fixture::AnyStore;

    /// What the log has made of the tables, as [`model::Model::tables`] has it.
    async fn tables(&self) -> Vec<String>;
}

macro_rules! contract {
    ($engine:ident: $($group:ident { $($rule:ident,)* })*) => {
        $(mod $group {
            $(#[tokio::test]
            async fn $rule() {
                let engine = crate::store::$engine::engine().await;
                crate::store::$group::$rule(crate::store::Engine::store(&engine)).await;
            })*
        })*
    };
}

macro_rules! whole_contract {
    ($engine:ident) => {
        contract! { $engine:
            accounts {
                a_user_name_is_taken_once_whatever_its_case,
                a_user_name_that_many_want_at_once_is_given_to_one,
                an_import_creates_only_what_is_missing,
                a_profile_changes_only_where_asked,
                a_password_is_replaced,
                a_refresh_token_is_rotated_and_the_one_before_is_good_for_one_lost_answer,
                the_token_of_a_lost_answer_is_worth_nothing,
                an_old_token_ends_the_session,
                ten_parallel_refreshes_are_one_success_one_grace_and_an_end,
                an_ended_or_expired_session_refuses_every_token,
                a_person_s_sessions_are_listed_last_seen_first_and_ended_but_one,
                a_new_password_ends_all_sessions_but_one_and_is_set_once,
                a_session_is_not_begun_with_a_password_that_was_changed_meanwhile,
                a_version_grows_with_each_right_that_ends,
                administrators_are_made_unmade_and_listed,
            }
            rooms {
                a_new_room_has_its_creator_as_owner_and_an_event_in_the_outbox,
                public_names_are_unique_when_folded_and_private_ones_are_not_claimed,
                a_public_name_that_many_want_at_once_is_given_to_one,
                joining_and_leaving_are_idempotent_and_leave_their_events_in_order,
                many_joins_at_once_get_one_version_each,
                a_room_takes_so_many_members_however_many_come_at_once,
                imported_members_count_and_have_no_event,
                members_are_paged_in_both_directions,
                my_rooms_come_newest_activity_first,
                the_directory_is_searched_literally_and_case_folded,
            }
            timeline {
                a_page_is_cut_from_every_side,
                changes_are_new_rows_and_old_ones_that_changed,
                find_says_where_messages_are,
                a_room_that_does_not_exist_has_no_rows,
            }
            votes {
                a_page_s_tallies_come_with_the_reader_s_own_votes,
                a_commit_says_which_tallies_changed_and_by_whom,
                changed_tallies_come_in_pieces_that_meet,
                who_voted_is_paged_both_ways_and_a_vote_taken_back_is_none,
                the_top_is_best_first_then_newest_and_of_its_time,
                every_reading_of_a_tally_is_what_a_naive_fold_says_at_every_commit,
            }
            projection {
                a_partition_keeps_its_first_log_id,
                messages_are_numbered_densely_and_other_rows_are_not,
                a_stale_batch_writes_nothing,
                an_edit_by_another_person_or_after_the_end_is_superseded,
                a_deleted_message_is_a_tombstone_that_keeps_its_place,
                the_highest_vote_counts_and_the_tally_follows,
                votes_on_what_is_not_there_are_superseded,
                a_sealed_body_is_kept_and_shown_as_nothing,
                much_in_one_batch_is_kept_as_little_is,
                reading_only_moves_forward,
                what_is_marked_unread_is_unread_until_it_is_read_again,
                nobody_has_read_what_is_not_there_yet,
                who_joins_has_nothing_unread,
                an_event_that_arrived_leaves_the_outbox,
                a_rebuild_repeats_rooms_and_members_in_any_order_of_versions,
                a_refused_event_takes_its_outbox_row_with_it,
                dead_letters_keep_reason_and_bytes,
                the_same_id_twice_is_refused_as_a_whole,
                records_of_an_unknown_room_are_kept,
                a_call_that_is_given_up_leaves_nothing_half_done,
            }
            upkeep {
                what_was_decided_later_is_found_and_what_was_not_is_not,
                a_dead_letter_says_where_it_lies_as_well,
                the_roster_is_listed_with_those_who_left_and_written_only_over_what_is_older,
                whoever_the_log_names_gets_an_account_without_a_password_once,
                a_public_room_claims_the_name_that_another_one_gave_up_meanwhile,
            }
        }

        #[tokio::test]
        async fn any_log_in_any_pieces_gives_the_tables_that_a_naive_fold_gives() {
            crate::store::model::any_log_in_any_pieces_gives_the_tables_that_a_naive_fold_gives(crate::store::$engine::engine).await;
        }
    };
}

mod on_sqlite {
    whole_contract!(sqlite);
}

mod on_postgres {
    whole_contract!(postgres);
}
