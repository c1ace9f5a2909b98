//! The cases by name: what each proves, and when it runs.

use super::case::{Case, Stop};
use super::{
    Harness, age, batches, cancellation, claims, contention, expiry, lingering, list, observation, powers, release,
    renewal, revocation, takeover, text, transfer, unreachable, wakeups,
};

pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) rule: &'static str,
    pub(super) order: Order,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// On its own keys, beside the others.
    Together,
    /// It touches the whole storage, or would be disturbed: after the others, one by one as listed.
    Alone,
}

macro_rules! cases {
    ($($order:ident $module:ident::$case:ident: $rule:literal,)*) => {
        pub(super) const CASES: &[Entry] =
            &[$(Entry { name: stringify!($case), rule: $rule, order: Order::$order }),*];

        /// Runs the case by its name.
        pub(super) async fn dispatch<H: Harness>(case: &Case<'_, H>) -> Result<(), Stop> {
            match case.name {
                $(stringify!($case) => $module::$case(case).await,)*
                unknown => Err(Stop::failed("a name from conformance::cases", unknown)),
            }
        }
    };
}

cases! {
    Together claims::first_claim_creates_term_one_or_seed:
        "R5: a key begins at term 1, or at the storage's clock where data may be lost",
    Together claims::first_claim_goes_past_what_was_seen:
        "R5: a lost record does not bring old terms back to who saw newer ones",
    Together claims::claim_beyond_the_record_goes_past_what_was_seen:
        "R5: nor does a record that lost its newest writes",
    Together claims::last_term_is_exact_and_the_end: "R5: terms are exact up to 2^53 - 1; after it nothing is granted",
    Together claims::grant_repeats_for_a_lost_reply: "R6: asking again after a lost reply is granted the same term",
    Together claims::acquire_repeat_never_shortens: "R4: no claim shortens a live lease",
    Together claims::new_reign_new_term_on_own_live_lease: "R6: each reign has its own term, even on the own lease",
    Together claims::held_answers_holder_and_time_left: "R13: a refusal says who holds the key, and for how long",
    Together claims::refused_claim_changes_nothing: "R13: a refused claim writes nothing",
    Together claims::same_id_two_sessions_are_two: "R7: two candidates with one id are two",
    Together claims::released_is_free_at_once: "R12: a released key is granted to the next who asks",
    Together claims::outdated_claim_is_refused_after_release: "R6: a claim that lingered while others led is refused",
    Together claims::outdated_claim_is_refused_after_expiry:
        "R6: a claim that lingered while a lease ran out is refused",

    Together expiry::expired_is_free_not_before: "R1: a lease lasts for its ttl, then it is free",
    Together expiry::renewed_lease_is_free_not_before: "R1: a renewed lease lasts for its ttl from the renewal",
    Together expiry::expired_own_lease_gets_a_new_term: "R6: the own expired lease begins a new reign",
    Together expiry::terms_grow_across_release_and_expiry: "R5: terms and versions grow strictly",
    Together expiry::ttl_has_millisecond_resolution: "R4: a ttl counts in whole milliseconds, rounded up",
    Together expiry::longest_ttl_lasts: "R4: the longest ttl is kept in full",

    Together takeover::takeover_unchanged_takes_what_it_saw: "R10: the guard takes over the version it watched",
    Together takeover::takeover_unchanged_refuses_what_moved: "R10: the guard refuses any other version",
    Together takeover::takeover_released_only_waits: "R10: the guard refuses what it has not watched yet",
    Together takeover::takeover_does_not_bind_a_released_key: "R10: the guard is about expiry; a release needs none",
    Together takeover::takeover_does_not_bind_the_own_lease: "R10: nobody has to watch the own lease",

    Together renewal::renew_extends_and_moves_version: "R4: a renewal lasts for its ttl and can be seen",
    Together renewal::renew_needs_session: "R4: only the session that was granted a lease renews it",
    Together renewal::renew_needs_term: "R4: only the term that is led is renewed",
    Together renewal::renew_never_revives_expired: "R4: a renewal revives nothing",
    Together renewal::renew_after_release_is_lost: "R4: nor does it after a release",
    Together renewal::renew_after_takeover_is_lost: "R4: nor against another's lease",
    Together renewal::renew_of_missing_key_is_lost: "R4: a renewal creates nothing",
    Together renewal::renew_never_shortens: "R4: no renewal shortens a live lease",

    Together release::release_needs_session: "R4: only the session that was granted a lease releases it",
    Together release::release_is_idempotent: "R9: a release may be sent again",
    Together release::release_keeps_the_term: "R4: a release deletes nothing; terms outlive it",
    Together release::release_of_missing_key_is_nothing: "R4: a release creates nothing",
    Together release::release_of_an_expired_lease_frees_it:
        "R9: what is released needs no watching, even if it expired before",
    Together release::late_release_of_old_session_harms_nobody: "R9: a release that lingered ends no later reign",

    Together revocation::revoke_takes_a_live_lease:
        "Revoke: a lease is taken from its holder, in a term of its own, and shown as it was",
    Together revocation::revoke_ends_the_reign: "Revoke: the holder's renewal is lost, in whatever term",
    Together revocation::revoked_is_free_at_once: "Revoke: the key is granted to the next who asks, in a new term",
    Together revocation::revoked_is_nobodys_until_its_end:
        "Revoke: nobody is granted the key before the lease that was taken would have ended, its former holder neither",
    Together revocation::revoked_is_free_when_that_is_asked_for: "Revoke: at once, if that is asked for",
    Together revocation::revoked_without_haste_is_to_be_taken_over:
        "R10: what was revoked without haste needs watching, even if it expired before",
    Together revocation::outdated_claim_is_refused_after_revoke: "R6: a claim that lingered over a revoke is refused",
    Together revocation::revoke_of_missing_key_is_nothing: "Revoke: nothing is created",
    Together revocation::revoke_of_a_released_key_is_nothing: "Revoke: where nobody holds the key nothing is written",
    Together revocation::revoke_of_an_expired_lease_frees_it:
        "R10: what is revoked at once needs no watching, even if it expired before",
    Together revocation::revoke_in_the_last_term_is_the_end: "R5: after the last term there is none, for a revoke either",
    Together revocation::revoke_of_another_term_is_nothing: "Revoke: only the term that it names, if it names one",
    Together revocation::late_release_after_a_revoke_harms_nobody: "R9: a release by whom the lease was taken from does nothing",

    Together transfer::reserved_is_refused_to_another:
        "R13: a reserved key is refused to another, who is told for how long; nothing is written",
    Together transfer::reserved_is_granted_to_its_successor: "R12: a reserved key is granted to its successor who asks",
    Together transfer::outdated_claim_is_refused_while_reserved: "R6: a claim that lingered is refused, the successor's too",
    Together transfer::reservation_ends_with_its_time: "R12: a reservation lasts for its time, then the key is free",
    Together transfer::reserved_only_when_a_release_says_so: "R12: what names no successor reserves nothing",
    Together transfer::reserved_once_by_a_repeated_release: "R9: a release that is sent again reserves nothing anew",
    Together transfer::reserved_goes_by_the_exact_id: "R12: two ids that differ at all are two",
    Together transfer::batches_reserve_like_singles: "Storage: a release in a batch reserves its own key",

    Together observation::get_shows_the_lease: "R13: observers see who holds, and nothing else",
    Together observation::get_of_missing_key_is_none: "R13: what was never granted is nobody's",
    Together observation::get_writes_nothing: "R13: looking changes nothing",
    Together observation::handles_see_one_storage: "R1: what one handle was told every other sees",
    Together observation::any_handle_goes_on_with_a_reign: "R4: a reign goes on by whatever handle",
    Together observation::check_says_ok: "R14: a storage that works says so",

    Together age::age_counts_from_the_grant: "Lease: its age is for how long the term has lasted",
    Together age::age_goes_on_with_the_term: "Lease: renewals and repeats do not make a term younger",
    Together age::age_begins_anew_with_each_term: "Lease: each term has its own age",
    Together age::age_is_shown_always_or_never: "Lease: what nobody holds has no age, and everything else has one",

    Together list::list_shows_each_lease: "List: every key that was ever granted is shown, as a look shows it",
    Together list::list_goes_by_prefix: "List: a prefix is bytes, and no pattern",
    Together list::list_is_in_byte_order: "List: keys come in the order of their bytes",
    Together list::list_begins_with_from: "List: it begins with the key that it is to begin with, if that is there",
    Together list::list_pages_follow_each_other: "List: pages show each key once, and the last one says so",
    Together list::list_of_nothing_is_empty: "List: where there is nothing to show, nothing is shown",
    Together list::list_writes_nothing: "R13: looking at many changes nothing",

    Together text::value_is_published_and_replaced: "R13: what a leader publishes is what others see",
    Together text::odd_values_survive: "R13: every value comes back as it was given",
    Together text::odd_ids_survive: "R13: every id comes back as it was given",
    Together text::odd_keys_are_kept_apart: "R1: two keys that differ at all are two",
    Together text::session_bits_survive: "R7: two sessions that differ in one bit are two",

    Together contention::concurrent_claims_have_one_winner: "R1: of many claims for a new key one is granted",
    Together contention::concurrent_takeovers_have_one_winner: "R1: of many claims for a free key one is granted",
    Together contention::contended_terms_are_distinct_and_grow: "R5: no two grants share a term",
    Together contention::renewal_and_takeover_never_both_win: "R1: at the end of a lease one of the two gets it",
    Together contention::concurrent_revokes_take_once: "Revoke: of many revokes of one lease one takes it",

    Together batches::batches_answer_in_order: "Storage: a batch answers in the order of its questions",
    Together batches::batches_mix_results: "Storage: each key of a batch has its own answer",
    Together batches::batches_refuse_a_duplicate_in_its_place:
        "Storage: a key that occurs again is an error in its place",
    Together batches::batches_may_be_empty: "Storage: an empty batch has no answers",
    Together batches::batches_mix_operations: "Storage: a batch may ask for anything, a key once whatever for",
    Together batches::batches_write_like_singles: "Storage: an operation in a batch is that operation",

    Together cancellation::dropped_operation_is_harmless:
        "R14: an operation that was given up leaves a storage that works",

    Together unreachable::unreachable_check_fails: "R14: a check asks the storage, and says when it reaches none",
    Together unreachable::unreachable_answers_nothing: "R14: where nobody answers, nothing is told of a lease",

    Together lingering::lingering_claim_shares_no_term:
        "R5: a claim that is written late, after another reign, is not granted that reign's term",
    Together lingering::lingering_first_claim_shares_no_term: "R5: nor is the first claim of a key",
    Together lingering::lingering_repeat_revives_nothing: "R4: a claim of the own lease that is written late revives nothing",
    Together lingering::lingering_renewal_revives_nothing: "R4: a renewal that is written late revives nothing",
    Together lingering::lingering_renewal_takes_nothing_from_another: "R4: nor does it take a lease from another",
    Together lingering::lingering_release_ends_no_later_reign: "R9: a release that is written late ends no later reign",
    Together lingering::lingering_revoke_takes_no_later_reign:
        "Revoke: one that is written late takes what it answers, and no later term if it names one",
    Together lingering::lingering_batch_is_judged_key_by_key:
        "Storage: a batch that is written late is judged for each key, and one that moved costs no other",
    Together lingering::lingering_grant_is_whole: "R4: a grant is one step: nobody sees half of it",
    Together lingering::lingering_change_is_whole: "R4: so is a renewal, a release, a revoke",
    Together lingering::lingering_release_wakes_when_it_came: "R13: followers are woken when there is something to see",

    Together wakeups::wakeup_at_release: "R13: followers are woken when a key is released",
    Together wakeups::wakeup_at_transfer: "R13: followers are woken when a key is reserved for one of them",
    Together wakeups::wakeup_at_revoke: "R13: followers are woken when a lease is taken from its holder",
    Together wakeups::wakeup_at_grant_to_another: "R13: followers are woken when a key is granted to another",
    Together wakeups::wakeups_coalesce_and_are_kept: "R13: wake-ups coalesce and are kept while nobody polls",
    // Alone: it claims very many keys.
    Alone list::list_limit_is_from_one_to_a_thousand: "List: a page has at least one lease, and at most a thousand",
    // Alone: a storage may wake for what happens to other keys.
    Alone wakeups::no_wakeup_at_renewal: "R13: a renewal wakes nobody",

    Alone powers::broken_reply_is_healed_by_asking_again: "R6: a lost reply is healed by asking again",
    Alone powers::restart_keeps_terms: "R5: terms grow across a restart",
    Alone powers::restart_keeps_leases: "R1: a lease outlives a restart",
    Alone wakeups::wakeups_outlive_a_restart: "R13: a subscription outlives the connection that it came by",
    Alone powers::clock_back_lease_lasts_no_longer_than_ttl:
        "R10: after a step back no lease shows more than its ttl, and a renewal heals it",
    Alone powers::clock_back_dead_leader_is_replaced:
        "R10: after a step back a leader that is gone is replaced by who watched it, not when the clock has caught up",
    Alone powers::clock_back_reservation_ends:
        "R10: after a step back no reservation binds for longer than its time, and a plain release is none",
    Alone powers::data_loss_terms_still_grow: "R5: terms grow across a loss of data",
    Alone powers::data_loss_freezes: "R5: after a loss of data nothing is granted or renewed for the longest ttl",
}
