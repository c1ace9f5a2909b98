//! These rules each stand between the candidates and a second leader: without one of them two lead. Takes minutes.

use lessor_model::{Check, Fault};

#[test]
fn these_faults_make_two_leaders() {
    let others = [
        Fault::AfterIgnored,
        Fault::RenewRevives,
        Fault::RecordDeleted,
        Fault::ReservationIgnored,
        Fault::EndIgnored,
        Fault::OwnWriteMissed,
        Fault::RegisterRunsOut,
    ];
    for fault in Fault::ALL.into_iter().filter(|fault| !others.contains(fault)) {
        let property = Some("one leader".into());
        let report = Check { fault: Some(fault), property, ..Check::new(fault.scope()) }.run().unwrap();
        let two = report.findings.iter().any(|finding| finding.property == "one leader" && finding.path.is_some());
        assert!(two, "{fault}\n{report}");
    }
}
