//! What may be wrong with a storage.

macro_rules! faults {
    ($($fault:ident => $case:ident,)*) => {
        /// What is wrong with the storage.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($fault),* }

        impl Fault {
            /// Each fault, and the case that has to find it.
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$fault, stringify!($case))),*];
        }
    };
}

faults! {
    // Claims.
    FirstTermIsOne => first_claim_creates_term_one_or_seed,
    FirstVersionIsZero => first_claim_creates_term_one_or_seed,
    FirstClaimIgnoresAfter => first_claim_goes_past_what_was_seen,
    AfterBeyondIsIgnored => claim_beyond_the_record_goes_past_what_was_seen,
    AfterBeyondIsRefused => claim_beyond_the_record_goes_past_what_was_seen,
    TermsAreFloats => last_term_is_exact_and_the_end,
    TermsAre32Bits => last_term_is_exact_and_the_end,
    LastTermIsGrantedAgain => last_term_is_exact_and_the_end,
    LostReplyGetsNewTerm => grant_repeats_for_a_lost_reply,
    LostReplyIsRefused => grant_repeats_for_a_lost_reply,
    AcquireShortens => acquire_repeat_never_shortens,
    TermKeptOnOwnLive => new_reign_new_term_on_own_live_lease,
    HeldSaysRetryAtOnce => held_answers_holder_and_time_left,
    HeldSaysRetryTooLate => held_answers_holder_and_time_left,
    HeldHidesTheLease => held_answers_holder_and_time_left,
    HeldShowsNoTimeLeft => held_answers_holder_and_time_left,
    RefusalWrites => refused_claim_changes_nothing,
    RefusalExtends => refused_claim_changes_nothing,
    RefusalPublishes => refused_claim_changes_nothing,
    IdIsProof => same_id_two_sessions_are_two,
    TermKeptOnRelease => released_is_free_at_once,
    ReleaseDoesNothing => released_is_free_at_once,
    OutdatedIsGrantedAfterRelease => outdated_claim_is_refused_after_release,
    OutdatedHasToWait => outdated_claim_is_refused_after_release,
    OutdatedIsGrantedAfterExpiry => outdated_claim_is_refused_after_expiry,
    // Expiry.
    ExpiresEarly => expired_is_free_not_before,
    NeverExpires => expired_is_free_not_before,
    RenewalExpiresEarly => renewed_lease_is_free_not_before,
    TermKeptOnOwnExpired => expired_own_lease_gets_a_new_term,
    TermKeptOnTakeover => terms_grow_across_release_and_expiry,
    VersionRestartsAtGrant => terms_grow_across_release_and_expiry,
    TtlInSeconds => ttl_has_millisecond_resolution,
    TtlRoundedDown => ttl_has_millisecond_resolution,
    TtlCapped => longest_ttl_lasts,
    // The guard.
    UnchangedIsRefused => takeover_unchanged_takes_what_it_saw,
    GuardIsIgnored => takeover_unchanged_refuses_what_moved,
    ReleasedOnlyTakesExpired => takeover_released_only_waits,
    ReleasedOnlyAsksAtOnce => takeover_released_only_waits,
    GuardBindsReleased => takeover_does_not_bind_a_released_key,
    GuardBindsOwn => takeover_does_not_bind_the_own_lease,
    // Renewals.
    RenewKeepsVersion => renew_extends_and_moves_version,
    RenewDoesNotExtend => renew_extends_and_moves_version,
    RenewIgnoresSession => renew_needs_session,
    RenewIgnoresTerm => renew_needs_term,
    RenewRevives => renew_never_revives_expired,
    RenewUndoesRelease => renew_after_release_is_lost,
    RenewTakesFromAnother => renew_after_takeover_is_lost,
    RenewCreates => renew_of_missing_key_is_lost,
    RenewShortens => renew_never_shortens,
    // Releases.
    ReleaseIgnoresSession => release_needs_session,
    ReleaseWritesAgain => release_is_idempotent,
    ReleaseDeletes => release_keeps_the_term,
    ReleaseForgetsTheValue => release_keeps_the_term,
    ReleaseKeepsTheVersion => release_keeps_the_term,
    ReleaseCreates => release_of_missing_key_is_nothing,
    ReleaseNeedsALiveLease => release_of_an_expired_lease_frees_it,
    ReleaseGoesById => late_release_of_old_session_harms_nobody,
    // What observers see.
    GetShowsVersionBefore => get_shows_the_lease,
    GetInventsALease => get_of_missing_key_is_none,
    GetWrites => get_writes_nothing,
    HandlesLag => handles_see_one_storage,
    CheckFails => check_says_ok,
    // Texts.
    ValueIsLost => value_is_published_and_replaced,
    ValueIsNotReplaced => value_is_published_and_replaced,
    EmptyValueIsNone => value_is_published_and_replaced,
    ValueIsCut => odd_values_survive,
    IdIsTrimmed => odd_ids_survive,
    KeyIsFolded => odd_keys_are_kept_apart,
    KeyIsCut => odd_keys_are_kept_apart,
    KeyIsTrimmed => odd_keys_are_kept_apart,
    KeyIsUnescaped => odd_keys_are_kept_apart,
    SessionIsCut => session_bits_survive,
    SessionIsAFloat => session_bits_survive,
    // Races.
    ClaimIsGetThenPut => concurrent_claims_have_one_winner,
    TakeoverIsGetThenPut => concurrent_takeovers_have_one_winner,
    TermsCountedPerHandle => contended_terms_are_distinct_and_grow,
    RenewIsGetThenPut => renewal_and_takeover_never_both_win,
    // Batches.
    BatchIsReversed => batches_answer_in_order,
    BatchIsSorted => batches_answer_in_order,
    BatchStopsAtRefusal => batches_mix_results,
    BatchTakesDuplicates => batches_refuse_a_duplicate_in_its_place,
    BatchDropsDuplicates => batches_refuse_a_duplicate_in_its_place,
    EmptyBatchAnswers => batches_may_be_empty,
    BatchPublishesOneValue => batches_write_like_singles,
    // Hints and the rest.
    DropLeavesALock => dropped_operation_is_harmless,
    NoWakeupAtRelease => wakeup_at_release,
    NoWakeupAtGrant => wakeup_at_grant_to_another,
    WakeupsAreNotKept => wakeups_coalesce_and_are_kept,
    WakeupsPileUp => wakeups_coalesce_and_are_kept,
    WakeupAtRenewal => no_wakeup_at_renewal,
    Hangs => first_claim_creates_term_one_or_seed,
    // Powers.
    ReconnectIsAStranger => broken_reply_is_healed_by_asking_again,
    RestartForgetsTerms => restart_keeps_terms,
    RestartForgetsLeases => restart_keeps_leases,
    ClockBackMakesEternal => clock_back_lease_lasts_no_longer_than_ttl,
    ClockBackIgnoresTheWatch => clock_back_dead_leader_is_replaced,
    LossRestartsTerms => data_loss_terms_still_grow,
    NoFreezeAfterLoss => data_loss_freezes,
}
