//! Which conditions follow from what was learned of the credentials.

use super::*;

#[test]
fn each_verdict_and_fault_has_its_conditions() {
    let rows: [(Observation, &str); 9] = [
        (refused(Reason::InvalidCredentials), "invalid_credentials"),
        (refused(Reason::InvalidPermissions), "invalid_permissions"),
        (refused(Reason::NoResources), "no_resources"),
        (refused(Reason::InvalidUrl), "InvalidURL"),
        (Observation::Unusable(Reason::SecretNotFound, "None.".to_owned()), "SecretNotFound"),
        (Observation::Unusable(Reason::InvalidSecret, "Odd.".to_owned()), "InvalidSecret"),
        (Observation::Unusable(Reason::InvalidUrl, "Odd.".to_owned()), "InvalidURL"),
        (fault(), ""),
        (Observation::Suspended, ""),
    ];
    for (observation, reason) in rows {
        let decision = decide(&Facts { observation: observation.clone(), ..fresh() });
        assert_eq!(decision.start, None);
        let expected = match &observation {
            Observation::Suspended => {
                "Ready=Unknown Suspended, Verified=Unknown Suspended, Synced=Unknown Pending".to_owned()
            }
            _ if reason.is_empty() => "Ready=Unknown ServerUnreachable, Verified=Unknown ServerUnreachable, \
                 Synced=Unknown Pending, Reconciling=True ProgressingWithRetry"
                .to_owned(),
            _ => {
                format!("Ready=False {reason}, Verified=False {reason}, Synced=Unknown Pending, Stalled=True {reason}")
            }
        };
        assert_eq!(shown(&decision), expected);
        let generation = if expected.contains("Reconciling") { -1 } else { 1 };
        assert_eq!(decision.status.observed_generation, Some(generation), "{expected}");
        assert_eq!(decision.status.next_schedule_time, None);
    }
}

#[test]
fn the_latest_fault_is_said_where_there_was_never_a_verdict() {
    let first = decide(&Facts { observation: fault(), ..fresh() });
    let reason = Reason::TlsFailure;
    let observation = asked(Outcome::Fault { reason, message: "Untrusted.".to_owned(), retry_after: None });
    let second = decide(&Facts { observation, ..after(&first, 1) });
    assert!(shown(&second).contains("Verified=Unknown TLSFailure"), "{}", shown(&second));
}

#[test]
fn an_invalid_schedule_is_said_before_anything_else() {
    let schedule = Schedule::parse("hourly", "Etc/UTC", "uid");
    let decision = decide(&Facts { schedule, ..fresh() });
    assert_eq!(
        shown(&decision),
        "Ready=False InvalidSchedule, Verified=True Verified, Synced=Unknown Pending, Stalled=True InvalidSchedule"
    );
    assert_eq!(decision.start, None);
}

#[test]
fn the_destinations_faults_are_told_apart() {
    let unavailable = DestinationState::Unavailable("Full.".to_owned());
    let decision = decide(&Facts { destination: unavailable, ..fresh() });
    assert_eq!(
        shown(&decision),
        "Ready=False DestinationUnavailable, Verified=True Verified, Synced=Unknown Pending, Reconciling=True ProgressingWithRetry"
    );
    assert_eq!(decision.start, None);
    let invalid = DestinationState::Invalid("Newer.".to_owned());
    let decision = decide(&Facts { destination: invalid, ..fresh() });
    assert_eq!(
        shown(&decision),
        "Ready=False DestinationInvalid, Verified=True Verified, Synced=Unknown Pending, Stalled=True DestinationInvalid"
    );
}

#[test]
fn a_fault_is_kept_quiet_until_the_grace_is_over() {
    let good = synced();
    let quiet = decide(&Facts { observation: fault(), transport: Transport::Faulty, ..after(&good, 10) });
    assert_eq!(quiet.status, good.status);
    let loud = decide(&Facts { observation: fault(), transport: Transport::FaultyTooLong, ..after(&good, 40) });
    assert_eq!(
        shown(&loud),
        "Ready=False ServerUnreachable, Verified=True Verified, Synced=True Synced, Reconciling=True ProgressingWithRetry"
    );
    assert_eq!(loud.start, None, "no run while the server cannot be reached");
    let between = Facts { observation: fault(), transport: Transport::FaultyTooLong, ..after(&loud, 41) };
    let between = decide(&between);
    assert_eq!(shown(&between), shown(&loud), "nothing flaps between two tries");
    let back = decide(&Facts { observation: verified(), ..after(&loud, 25) });
    assert_eq!(shown(&back), "Ready=True Synced, Verified=True Verified, Synced=True Synced");
}

#[test]
fn other_inputs_make_the_verdict_unknown_until_there_is_an_answer() {
    let bad = decide(&Facts { observation: refused(Reason::NoResources), ..fresh() });
    let edited = Facts { observation: fault(), inputs_changed: true, generation: 2, ..after(&bad, 1) };
    let decision = decide(&Facts { transport: Transport::Faulty, ..edited });
    assert_eq!(
        shown(&decision),
        "Ready=Unknown ServerUnreachable, Verified=Unknown ServerUnreachable, Synced=Unknown Pending, Reconciling=True ProgressingWithRetry"
    );
    assert_eq!(decision.status.observed_generation, Some(1), "the new generation has no verdict yet");
}

#[test]
fn nothing_new_is_no_change() {
    let good = synced();
    for minutes in [2, 10, 29] {
        assert_eq!(decide(&after(&good, minutes)).status, good.status);
        let again = Facts { observation: verified(), ..after(&good, minutes) };
        assert_eq!(decide(&again).status, good.status, "the time of a verification is never written alone");
    }
    let bad = decide(&Facts { observation: refused(Reason::NoResources), ..fresh() });
    let again = Facts { observation: refused(Reason::NoResources), ..after(&bad, 600) };
    assert_eq!(decide(&again).status, bad.status);
}

#[test]
fn remote_text_is_cleaned() {
    let identity = Identity { username: Some(format!("a\u{1b}[31m{}", "x".repeat(300))), server_version: None };
    let verdict = Verdict::Verified { identity, message: "Valid.".to_owned() };
    let decision = decide(&Facts { observation: asked(Outcome::Verdict(verdict)), ..fresh() });
    let username = decision.status.username.unwrap();
    assert_eq!((username.chars().count(), username.contains('\u{1b}')), (128, false));
}

#[test]
fn a_secret_that_rests_is_written_down_as_long_as_it_does() {
    let doubted = decide(&Facts { observation: fault(), resting: Some(secret()), ..fresh() });
    assert_eq!(doubted.status.resting_secret, Some(secret()));
    let faulty = decide(&Facts { observation: fault(), resting: Some(secret()), ..after(&doubted, 5) });
    assert_eq!(faulty.status.resting_secret, Some(secret()));
    assert_eq!(decide(&after(&doubted, 5)).status.resting_secret, None);
}

#[test]
fn a_refused_secret_is_written_down_as_it_is_now() {
    let bad = decide(&Facts { observation: refused(Reason::InvalidCredentials), refused: Some(secret()), ..fresh() });
    assert_eq!(bad.status.refused_secret, Some(secret()));
    let labelled = RefusedSecret { resource_version: "8".to_owned(), ..secret() };
    let again = decide(&Facts { refused: Some(labelled.clone()), ..after(&bad, 5) });
    assert_eq!(again.status, BitbucketConnectionStatus { refused_secret: Some(labelled), ..bad.status.clone() });
    // A fault says nothing about the password.
    let faulty = decide(&Facts { observation: fault(), transport: Transport::Faulty, ..after(&bad, 5) });
    assert_eq!(faulty.status.refused_secret, Some(secret()));
    let good = decide(&Facts { observation: verified(), inputs_changed: true, ..after(&bad, 6) });
    assert_eq!(good.status.refused_secret, None);
}

#[test]
fn the_same_fault_again_is_the_same_status() {
    let first = decide(&Facts { observation: fault(), transport: Transport::Faulty, generation: 2, ..fresh() });
    let again = Facts { observation: fault(), inputs_changed: true, generation: 2, ..after(&first, 1) };
    assert_eq!(decide(&Facts { transport: Transport::Faulty, ..again }).status, first.status);
}
