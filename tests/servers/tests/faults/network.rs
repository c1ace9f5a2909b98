//! The connections of the leader fail, and only those.

use std::time::Duration;

use crate::faulty::Faulty;
use lessor::{Event, LostReason};
use lessor_servers::elections::{Elections, now};
use lessor_servers::proxy::Mode;

use crate::{TTL, behind_proxies, short};

/// The leader ends by itself, another leads, and when it is healed all follow.
pub(crate) fn cut_off<S: Faulty>() {
    let server = S::start();
    let (proxies, storages) = behind_proxies(&server, 3);
    let elections = Elections::start(&["first", "second"], storages, short);
    let slow = Mode::Delay(TTL / 3);
    let modes = [Mode::DropRequests, Mode::DropReplies, slow.clone(), Mode::ResetAfterRequest(Vec::new()), Mode::Cut];
    for mode in modes {
        println!("{}: {mode:?}", S::NAME);
        // First: on a busy machine a term may be over as soon as it is seen.
        let mark = elections.log().mark();
        let (leader, term) = elections.leader();
        proxies[leader].set(mode.clone());
        let lost = |event: &Event| match event {
            Event::Lost { term: over, reason, .. } if *over == term => Some(*reason),
            _ => None,
        };
        assert_eq!(elections.wait_for(leader, mark, "the leader ends", lost), LostReason::Expired);
        // One whose requests arrive late holds on to the lease without ever leading.
        if mode != slow {
            elections.wait("another leads", || {
                let (other, later) = elections.leader();
                (other != leader && later > term).then_some(())
            });
        }
        proxies[leader].set(Mode::Pass);
        elections.all_led_after(now(), Duration::ZERO);
        elections.follows(leader);
    }
    elections.finish();
}
