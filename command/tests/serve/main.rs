//! `lessor serve` as a process: what every server of the API has to do, and what only this one does.

mod asked;
mod clients;
mod ending;
mod files;
mod issuers;
mod logs;
mod lookups;
mod methods;
mod openapi;
mod own;
mod running;
mod sockets;
mod trust;

use running::start;

mod service {
    lessor_served::service!(super::start);
}

mod watch {
    lessor_served::watch!(super::start);
}

mod budgets {
    lessor_served::budgets!(super::start);
}

mod tokens {
    lessor_served::tokens!(super::start);
    lessor_served::clients!(super::start);
}

mod hostile {
    lessor_served::hostile!(super::start);
}
