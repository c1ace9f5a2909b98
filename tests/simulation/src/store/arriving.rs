//! A request reaches the storage, or what is left of it.

use super::{Down, Rows};
use crate::message::{Ask, Told};
use crate::plan::Misuse;
use crate::reached::Situation;
use crate::sim::{Event, Sim};
use crate::trouble::Way;

impl Sim {
    /// A request reaches the storage.
    pub(crate) fn arrive(&self, call: usize, ask: Ask) {
        let mut world = self.world();
        if let Some((down, until)) = world.store.down.filter(|(_, until)| *until > world.now) {
            match down {
                Down::Dead => {}
                Down::Refuses => world.answer(call, Told::Failed),
                Down::Stalls => world.put_off(until, call, ask),
            }
            return;
        }
        if let Ask::Lessor(requests) = &ask
            && let [request] = requests.as_slice()
            && world.trouble_of_key(request) == Some(Way::Hangs)
        {
            return;
        }
        if let Ask::Cells(asks) = &ask
            && let [ask] = asks.as_slice()
            && world.trouble_of_key(&ask.request) == Some(Way::Hangs)
        {
            return;
        }
        if world.now - world.calls[call].sent_at > world.plan.ttl {
            world.reach(Situation::RequestVeryLate);
        }
        let is_second = std::mem::replace(&mut world.calls[call].is_carried_out, true);
        if is_second && world.plan.registers.is_some() {
            // A second copy may be carried out, and answers nothing: it would say of a swap that it was too late for itself.
            if !world.calls[call].is_refused {
                let (_, granted) = world.carry_out(call, &ask);
                drop(world);
                granted.iter().for_each(|grant| self.check_no_other_leads(grant));
            }
            return;
        }
        let read = (world.plan.misuse == Some(Misuse::GetThenPut)).then(|| world.store.rows.clone());
        let (told, granted) = world.carry_out(call, &ask);
        if let Some(read) = read {
            // What it judged by is what it read; what it writes comes later, over whatever is there by then.
            let rows = Box::new(std::mem::replace(&mut world.store.rows, read));
            let at = world.now + world.plan.ttl / 200;
            world.schedule(at, Event::Put { call, told: Box::new(told), rows });
        } else {
            world.answer(call, told);
        }
        drop(world);
        for grant in granted {
            self.check_no_other_leads(&grant);
        }
    }

    pub(crate) fn put(&self, call: usize, told: Told, rows: Rows) {
        let mut world = self.world();
        world.store.rows = rows;
        world.answer(call, told);
    }
}
