//! Faults of the group: one driver for many candidates.

use super::{ELECTION, GROUP, GROUP_DRIVER, GROUP_MEMBER, GROUP_OVERLOAD, GROUP_RENEWING, GROUP_ROUSE, Mutant, edit};

pub(super) const MUTANTS: &[Mutant] = &[
    // === who has something to do ===
    Mutant {
        name: "wake_up_of_a_member_lost",
        breaks: "R19",
        why: "the driver is woken, so it will look; only the first of several has to say who",
        edits: &[edit(
            GROUP_ROUSE,
            "        roused.members.push(member);\n",
            "        if roused.driver.is_some() {\n            roused.members.push(member);\n        }\n",
        )],
    },
    Mutant {
        name: "calls_not_begun",
        breaks: "R19",
        why: "the request is stored, and whoever is woken polls it",
        edits: &[edit(
            GROUP_MEMBER,
            "        let answer = call.poll(&self.waker);",
            "        let answer = None;\n        let _ = &*call;",
        )],
    },
    Mutant {
        name: "the_rest_has_no_turn",
        breaks: "R19",
        why: "a budget for each poll, and the next event brings the next poll",
        edits: &[
            edit(GROUP, "const AT_ONCE: usize = 256;", "const AT_ONCE: usize = 2;"),
            edit(GROUP_DRIVER, "                    cx.waker().wake_by_ref();\n", ""),
        ],
    },
    // === time ===
    Mutant {
        name: "sleep_not_armed_again",
        breaks: "R19",
        why: "the timer is set for the first that is due, and then it is looked who is next",
        edits: &[edit(
            GROUP_DRIVER,
            "                    0 if something_happened => return self.rounds.go_on(cx),\n",
            "                    0 if something_happened && due.is_none() => return self.rounds.go_on(cx),\n",
        )],
    },
    Mutant {
        name: "tick_takes_everybody_as_told",
        breaks: "R14",
        why: "the group renews all at once, so nobody needs a time of its own",
        edits: &[edit(
            GROUP_DRIVER,
            "        if member.entered.is_none_or(|entered| at < entered) {",
            "        if !member.standing.holds && member.entered.is_none_or(|entered| at < entered) {",
        )],
    },
    Mutant {
        name: "each_has_its_own_tick",
        breaks: "R19",
        why: "members differ, and each knows best when it renews",
        edits: &[edit(GROUP_RENEWING, "                member.renew = true;\n", "")],
    },
    Mutant {
        name: "renewal_cancels_what_is_under_way",
        breaks: "R14",
        why: "the newest question is the one that counts",
        edits: &[edit(
            ELECTION,
            "                if self.in_flight.is_none() && self.phase.reign().is_some() {",
            "                if self.phase.reign().is_some() {\n                    self.in_flight = None;",
        )],
    },
    // === members come and go ===
    Mutant {
        name: "answer_for_whoever_asks",
        breaks: "R1",
        why: "what a former member still had under way is kept with its place, and its answer is as good as any",
        edits: &[
            edit(
                GROUP_MEMBER,
                "                    self.call.take_if(|call| Some(call.id) != in_flight);\n",
                "                    let _ = in_flight;\n",
            ),
            edit(
                GROUP_MEMBER,
                "        let answer = self.poll(&mut call);\n        if answer.is_none() {\n",
                "        let answer = self.poll(&mut call);
        let in_flight = || self.candidacy.shared.state.lock().election.in_flight();
        let answer = answer.map(|(id, answer)| (in_flight().unwrap_or(id), answer));
        if answer.is_none() {\n",
            ),
            edit(
                GROUP_MEMBER,
                "                        Some(sent) => self.begin(sent),\n",
                "                        Some(_) if self.call.is_some() => self.poll_call(),\n                        Some(sent) => self.begin(sent),\n",
            ),
        ],
    },
    Mutant {
        name: "removed_while_it_asks",
        breaks: "R9",
        why: "who is to go goes at once, and the lease runs out by itself",
        edits: &[edit(
            GROUP_DRIVER,
            "        let next = member.settle(now, entropy, events, call, told);\n",
            "        let mut next = member.settle(now, entropy, events, call, told);\n        if member.candidacy.shared.state.lock().election.is_handing_over() && member.standing.is_calling {\n            member.standing = Standing::default();\n            next = None;\n        }\n",
        )],
    },
    Mutant {
        name: "forgotten_with_its_candidates",
        breaks: "R3",
        why: "a driver that is dropped is dropped with all that it has",
        edits: &[edit(
            GROUP_DRIVER,
            "        self.members.clear();\n",
            "        core::mem::take(&mut self.members).into_iter().for_each(core::mem::forget);\n",
        )],
    },
    Mutant {
        name: "newcomers_stay_outside",
        breaks: "R12",
        why: "the driver looks at its list at each turn anyway",
        edits: &[edit(GROUP, "        hub.rouse.driver();\n        Ok(candidate)", "        Ok(candidate)")],
    },
    // === overload ===
    Mutant {
        name: "healthy_keys_given_up",
        breaks: "R20",
        why: "fewer keys are less load, whichever they are",
        edits: &[edit(
            GROUP_OVERLOAD,
            "    let given_up = in_danger.iter().take(",
            "    let mut newest: Vec<_> = held.iter().collect();\n    newest.sort_by_key(|held| Reverse((held.began, held.member)));\n    let given_up = newest.iter().take(",
        )],
    },
    Mutant {
        name: "oldest_given_up",
        breaks: "R20",
        why: "who has had it longest has had its share",
        edits: &[edit(
            GROUP_OVERLOAD,
            "    in_danger.sort_by_key(|held| Reverse((held.began, held.member)));",
            "    in_danger.sort_by_key(|held| (held.began, held.member));\n    let _ = Reverse(());",
        )],
    },
    Mutant {
        name: "given_up_where_nothing_gets_through",
        breaks: "R20",
        why: "renewals fail, so there is too much to renew",
        edits: &[edit(GROUP_OVERLOAD, "    if renewed == 0 {", "    if renewed == usize::MAX {")],
    },
    Mutant {
        name: "all_given_up",
        breaks: "R20",
        why: "what is in danger is as good as lost",
        edits: &[edit(GROUP_OVERLOAD, "in_danger.len().div_ceil(2)", "in_danger.len()")],
    },
    Mutant {
        name: "given_up_twice",
        breaks: "R20",
        why: "it is in danger for as long as its renewals fail",
        edits: &[edit(GROUP_RENEWING, " && !state.election.is_handing_over()", "")],
    },
];
