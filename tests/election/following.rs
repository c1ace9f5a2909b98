//! Following: when to ask, and whether to take over.

use lessor::election::Input;
use lessor::storage::{Renewed, Reply, Takeover, Version};
use lessor::{Config, Event};

use crate::bench::{Bench, is_acquire, lease, ms, secs, term};

/// R13: a follower comes back when told, a hundredth of the ttl spread at the most.
#[test]
fn a_follower_comes_back_when_the_lease_ends() {
    for retry_after in [ms(30), ms(700), ms(1500)] {
        let mut bench = Bench::new(Config::default());
        bench.to(ms(0)).held(lease("other", 1, 1, retry_after), retry_after);
        let at = bench.until_request().sent().1;
        assert!(at > retry_after && at <= retry_after + ms(100), "{at:?}");
        assert_eq!(bench.claim().after, Some(term(1)));
    }
}

/// R13: at the latest it comes back after its retry interval, with fresh jitter that does not compound.
#[test]
fn a_follower_polls_at_its_retry_interval() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    for _ in 0..200 {
        bench.held(lease("other", 1, 1, secs(8)), secs(8)).until_request();
    }
    let pauses: Vec<_> = bench.requests.windows(2).map(|pair| pair[1].2 - pair[0].2).collect();
    assert!(pauses.iter().all(|pause| (ms(1800)..=ms(2200)).contains(pause)), "{pauses:?}");
    let different: std::collections::BTreeSet<_> = pauses.iter().collect();
    assert!(different.len() > 190, "fresh each time");
}

/// R10: a storage whose clock has stepped back says again and again that there is a ttl left. A follower that is told of
/// everything else comes when it has seen the version unchanged for the ttl and margin, and names it.
#[test]
fn a_follower_comes_when_a_lease_has_stood_still() {
    let mut config = Config::default();
    config.retry_interval = config.ttl;
    let mut bench = Bench::new(config);
    bench.to(ms(0)).held(lease("other", 1, 1, secs(3)), secs(3));
    bench.until_request().held(lease("other", 1, 1, secs(10)), secs(10));
    let at = bench.until_request().sent().1;
    assert_eq!((at, bench.claim().takeover), (secs(11), Takeover::Unchanged(Version::new(1))));
}

/// R12: nobody tells of a lease that has run out, so a follower does not rely on being told while nobody holds one.
#[test]
fn a_follower_asks_more_often_while_nobody_leads() {
    let mut config = Config::default();
    config.retry_interval = config.ttl;
    let mut bench = Bench::new(config);
    bench.to(ms(0)).held(lease("other", 1, 1, secs(0)), secs(0)).held(lease("other", 1, 1, secs(0)), secs(0));
    for _ in 0..20 {
        bench.until_request().held(lease("other", 1, 1, secs(0)), secs(0));
    }
    let pauses: Vec<_> = bench.requests.windows(2).skip(1).map(|pair| pair[1].2 - pair[0].2).collect();
    assert!(pauses.iter().all(|pause| (ms(1800)..=ms(2200)).contains(pause)), "{pauses:?}");
}

/// R13: nothing but `acquire` is sent while following, and one request at a time.
#[test]
fn a_follower_only_acquires() {
    let mut bench = Bench::new(Config::default());
    bench.to(secs(100));
    assert!(bench.requests.iter().all(|(_, request, _)| is_acquire(request)));
}

/// R13: a wake-up means claim at once; one that comes while a request is in flight counts after it.
#[test]
fn a_wakeup_means_claim_at_once() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    bench.to(ms(500)).input(Input::Wakeup);
    assert_eq!(bench.sent().1, ms(500));
    bench.input(Input::Wakeup).input(Input::Wakeup);
    assert_eq!(bench.requests.len(), 2);
    bench.held(lease("other", 2, 2, secs(8)), secs(8));
    assert_eq!((bench.requests.len(), bench.sent().1), (3, ms(500)));
    bench.held(lease("other", 2, 2, secs(8)), secs(8));
    assert_eq!(bench.requests.len(), 3, "two wake-ups were one");
}

/// Who leads is told when the holder, the term or the value changes, and a lease that is not live is nobody's.
#[test]
fn the_leader_is_told_once() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    bench.to(secs(3)).held(lease("other", 1, 2, secs(8)), secs(8));
    bench.to(secs(6)).held(lease("other", 1, 2, secs(0)), secs(0));
    let told: Vec<_> = bench.events.drain(..).filter(|event| matches!(event, Event::LeaderChanged(_))).collect();
    assert_eq!(told, [Event::LeaderChanged(Some(lease("other", 1, 1, secs(8)))), Event::LeaderChanged(None)]);
}

/// The take-over guard: not before one version was seen for its ttl and margin on the own clock, and only that version.
#[test]
fn the_guard_waits_for_an_unchanged_version() {
    let mut config = Config::default();
    config.takeover_guard = true;
    let mut bench = Bench::new(config);
    bench.to(ms(0));
    assert_eq!(bench.claim().takeover, Takeover::ReleasedOnly);
    let expired = |version| lease("other", 1, version, secs(0));
    bench.held(expired(4), secs(0));
    let mut seen = Vec::new();
    for second in 0..11 {
        bench.to(secs(second));
        if bench.election.in_flight().is_some() {
            seen.push(bench.claim().takeover);
            bench.held(expired(4), secs(10));
        }
    }
    assert!(seen.len() > 3 && seen.iter().all(|takeover| *takeover == Takeover::ReleasedOnly), "{seen:?}");
    bench.to(ms(11_000));
    assert_eq!((bench.claim().takeover, bench.sent().1), (Takeover::Unchanged(Version::new(4)), secs(11)));
    bench.held(expired(5), secs(10));
    bench.to(ms(13_300));
    assert_eq!(bench.claim().takeover, Takeover::ReleasedOnly, "another version starts anew");
}

/// R10: a version that was seen unchanged for its ttl and margin is said to be so, for a storage whose clock stepped
/// back and which calls the lease live for ever.
#[test]
fn a_lease_that_never_ends_is_watched() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    while bench.elapsed() < secs(11) {
        assert_eq!(bench.claim().takeover, Takeover::Expired);
        bench.held(lease("other", 1, 4, secs(10)), secs(10)).until_request();
    }
    assert_eq!(bench.claim().takeover, Takeover::Unchanged(Version::new(4)));
    bench.held(lease("other", 1, 5, secs(10)), secs(10)).until_request();
    assert_eq!(bench.claim().takeover, Takeover::Expired, "it lives");
}

/// R12: who did not look for long names a version that is not there any more, and is refused a free key. It asks again at
/// once, and leaves it to the storage; once, since what it has seen now is new.
#[test]
fn a_version_that_is_gone_is_not_waited_for() {
    for retry_interval in [secs(2), secs(60)] {
        let mut config = Config::default();
        config.retry_interval = retry_interval;
        let mut bench = Bench::new(config);
        bench.to(ms(0)).held(lease("other", 1, 4, secs(8)), secs(8));
        while bench.elapsed() < secs(30) {
            bench.until_request().failed();
        }
        assert_eq!(bench.until_request().claim().takeover, Takeover::Unchanged(Version::new(4)));
        let (at, asked) = (bench.elapsed(), bench.requests.len());
        // The storage spares an expired lease whose version is another.
        bench.held(lease("other", 1, 9, secs(0)), secs(10));
        assert_eq!((bench.sent().1, bench.claim().takeover), (at, Takeover::Expired), "at once");
        bench.held(lease("other", 1, 10, secs(0)), secs(10));
        assert_eq!(bench.requests.len(), asked + 1, "not in a loop");
        let pause = bench.until_request().elapsed() - at;
        assert!((ms(1800)..=ms(2200)).contains(&pause), "{pause:?}: nobody leads");
    }
}

/// R12: a leader whose record is gone asks for the key soon, however rarely a follower does.
#[test]
fn a_record_that_is_gone_is_not_waited_for() {
    let mut config = Config::default();
    config.retry_interval = secs(60);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).granted(5).until_request();
    let at = bench.elapsed();
    bench.reply(Reply::Renewed(Renewed::lost(None)));
    let pause = bench.until_request().elapsed() - at;
    assert!(is_acquire(bench.sent().0) && pause <= ms(2200), "{pause:?}: nobody leads");
}

/// Lock-delay: an expired lease lies for the delay, then only the version that expired is taken over.
#[test]
fn a_takeover_delay_lets_an_expired_lease_lie() {
    let mut config = Config::default();
    config.takeover_delay = secs(5);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).held(lease("other", 1, 4, secs(1)), secs(1));
    for at in [1_500, 2_500, 3_500, 4_500, 5_500] {
        bench.to(ms(at));
        if bench.election.in_flight().is_some() {
            assert_eq!(bench.claim().takeover, Takeover::ReleasedOnly);
            bench.held(lease("other", 1, 4, secs(0)), secs(10));
        }
    }
    bench.to(secs(6));
    assert_eq!((bench.claim().takeover, bench.sent().1), (Takeover::Unchanged(Version::new(4)), secs(6)));
}

/// Who was seen to lead is forgotten when its lease has run out and nothing more was heard, although the storage does
/// not answer.
#[test]
fn a_leader_that_is_not_heard_of_is_forgotten() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    bench.events.clear();
    bench.to(ms(9_999));
    assert!(!bench.events.contains(&Event::LeaderChanged(None)));
    assert_eq!(bench.election.status().leader.map(|lease| lease.time_left), Some(secs(0)));
    bench.to(secs(10));
    assert!(bench.events.contains(&Event::LeaderChanged(None)), "its end, and a request timeout");
    assert_eq!(bench.election.status().leader, None);
}

/// R13: a regular look at a lease that another held may share the answer to another candidate's look. What it does
/// because something has happened may not.
#[test]
fn a_regular_look_may_be_answered_by_anothers() {
    let shared = Some(ms(500));
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    assert_eq!(bench.claim().max_age, None, "the first one: it has seen nothing yet");
    bench.held(lease("other", 1, 1, secs(8)), secs(8)).until_request();
    assert_eq!(bench.claim().max_age, shared);
    bench.held(lease("other", 1, 1, ms(300)), ms(300)).until_request();
    assert_eq!(bench.claim().max_age, shared, "at its end: it was renewed, or nobody has seen that");
    bench.held(lease("other", 1, 1, secs(8)), secs(8)).input(Input::Wakeup);
    assert_eq!(bench.claim().max_age, None, "woken");
    bench.input(Input::Wakeup).held(lease("other", 2, 2, secs(8)), secs(8));
    assert_eq!(bench.claim().max_age, None, "woken while it asked");
    bench.held(lease("other", 2, 2, secs(8)), secs(8)).until_request();
    assert_eq!(bench.claim().max_age, shared);
    bench.failed().until_request();
    assert_eq!(bench.claim().max_age, None, "its claim may have been applied");
    bench.held(lease("other", 2, 2, secs(0)), secs(0)).until_request();
    assert_eq!(bench.claim().max_age, None, "it has run out");
    let mut reserved = lease("other", 2, 3, secs(4));
    reserved.id = None;
    bench.held(reserved, secs(4)).until_request();
    assert_eq!(bench.claim().max_age, None, "it is reserved: perhaps for this one");
}
