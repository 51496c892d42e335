//! Each rule finds what breaks it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rules::{RULES, STEPS, Seen};
use super::violations;

/// An object of generation 2, with these conditions: type, status and reason, as of the generation that is there.
fn object(observed: i64, conditions: &[(&str, &str, &str)]) -> Value {
    let condition = |(type_, status, reason): &(&str, &str, &str)| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": "It is so. Do that.", "observedGeneration": 2,
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        })
    };
    let conditions: Vec<Value> = conditions.iter().map(condition).collect();
    json!({
        "metadata": {"name": "a", "uid": "1", "generation": 2},
        "status": {"observedGeneration": observed, "conditions": conditions}
    })
}

fn ready() -> Value {
    object(2, &[("Ready", "True", "Synced"), ("Verified", "True", "Verified"), ("Synced", "True", "Synced")])
}

fn stalled() -> Value {
    let wrong = "invalid_credentials";
    object(
        2,
        &[
            ("Ready", "False", wrong),
            ("Verified", "False", wrong),
            ("Synced", "True", "Synced"),
            ("Stalled", "True", wrong),
        ],
    )
}

/// The database is down.
fn retried() -> Value {
    let down = "DestinationUnavailable";
    object(
        2,
        &[
            ("Ready", "False", down),
            ("Verified", "True", "Verified"),
            ("Synced", "True", "Synced"),
            ("Reconciling", "True", "ProgressingWithRetry"),
        ],
    )
}

/// Its url was changed, and there nobody answers.
fn awaiting() -> Value {
    let down = "ServerUnreachable";
    object(
        1,
        &[
            ("Ready", "Unknown", down),
            ("Verified", "Unknown", down),
            ("Synced", "True", "Synced"),
            ("Reconciling", "True", "ProgressingWithRetry"),
        ],
    )
}

/// Its Secret was changed, and nobody answers.
fn unknown() -> Value {
    let down = "ServerUnreachable";
    object(2, &[("Ready", "Unknown", down), ("Verified", "Unknown", down), ("Synced", "True", "Synced")])
}

/// The place of a condition in `object`, whatever it holds.
fn at<'a>(object: &'a mut Value, type_: &str) -> &'a mut Value {
    let conditions = object["status"]["conditions"].as_array_mut().unwrap();
    conditions.iter_mut().find(|condition| condition["type"] == type_).unwrap()
}

fn add(object: &mut Value, type_: &str, status: &str) {
    let mut another = at(object, "Ready").clone();
    another["type"] = type_.into();
    another["status"] = status.into();
    object["status"]["conditions"].as_array_mut().unwrap().push(another);
}

fn remove(object: &mut Value, type_: &str) {
    object["status"]["conditions"].as_array_mut().unwrap().retain(|condition| condition["type"] != type_);
}

/// A good object, what is done to it, and each rule that it breaks then.
type Case = (fn() -> Value, fn(&mut Value), &'static [&'static str]);

const CASES: &[Case] = &[
    (ready, |it| add(it, "Ready", "True"), &["a type stands once"]),
    (ready, |it| add(it, "Progressing", "True"), &["a type is one of the five"]),
    (ready, |it| at(it, "Synced")["status"] = "Yes".into(), &["a status is True, False or Unknown"]),
    (ready, |it| at(it, "Synced")["reason"] = "not one".into(), &["a reason is one word"]),
    (ready, |it| at(it, "Synced")["reason"] = "".into(), &["a reason is one word"]),
    (ready, |it| at(it, "Synced")["message"] = "word".into(), &["a message is sentences"]),
    (ready, |it| at(it, "Synced")["lastTransitionTime"] = "".into(), &["a condition says since when"]),
    (ready, |it| at(it, "Synced")["observedGeneration"] = 0.into(), &["a condition says of which generation it is"]),
    (
        ready,
        |it| at(it, "Synced")["observedGeneration"] = 3.into(),
        &["no condition is of a generation that is yet to come"],
    ),
    (stalled, |it| it["status"]["observedGeneration"] = 3.into(), &["no generation is observed that is yet to come"]),
    (unknown, |it| remove(it, "Ready"), &["Ready, Verified and Synced are always there"]),
    (unknown, |it| remove(it, "Verified"), &["Ready, Verified and Synced are always there"]),
    (ready, |it| remove(it, "Synced"), &["Ready, Verified and Synced are always there"]),
    (
        retried,
        |it| at(it, "Reconciling")["status"] = "False".into(),
        &["Reconciling and Stalled are there only while they are True"],
    ),
    (
        stalled,
        |it| at(it, "Stalled")["status"] = "Unknown".into(),
        &["Reconciling and Stalled are there only while they are True"],
    ),
    (
        ready,
        |it| add(it, "Stalled", "True"),
        &["with Ready=True, neither Reconciling nor Stalled is there", "with Stalled, Ready is False"],
    ),
    (
        ready,
        |it| add(it, "Reconciling", "True"),
        &["with Ready=True, neither Reconciling nor Stalled is there", RECONCILING],
    ),
    (
        awaiting,
        |it| {
            at(it, "Ready")["status"] = "True".into();
            at(it, "Verified")["status"] = "True".into();
        },
        &[
            "with Ready=True, neither Reconciling nor Stalled is there",
            RECONCILING,
            "with a generation that is not observed, Ready is not True",
        ],
    ),
    (unknown, |it| add(it, "Reconciling", "True"), &[RECONCILING]),
    (unknown, |it| add(it, "Stalled", "True"), &["with Stalled, Ready is False"]),
    (stalled, |it| at(it, "Stalled")["reason"] = "no_resources".into(), &["Stalled says what Ready says"]),
    (stalled, |it| at(it, "Stalled")["message"] = "So.".into(), &["Stalled says what Ready says"]),
    (stalled, |it| add(it, "Reconciling", "True"), &["Reconciling and Stalled are not there together"]),
    (
        ready,
        |it| it["status"]["observedGeneration"] = 1.into(),
        &["with a generation that is not observed, Ready is not True"],
    ),
    (ready, |it| at(it, "Verified")["observedGeneration"] = 1.into(), &["all but Synced are of this generation"]),
    (ready, |it| at(it, "Ready")["observedGeneration"] = 1.into(), &["all but Synced are of this generation"]),
    (
        awaiting,
        |it| remove(it, "Reconciling"),
        &["with Ready=Unknown of a generation that is not observed, Reconciling is there"],
    ),
    (retried, |it| remove(it, "Reconciling"), &["with Ready=False, Reconciling or Stalled says who helps"]),
    (stalled, |it| remove(it, "Stalled"), &["with Ready=False, Reconciling or Stalled says who helps"]),
    (unknown, |it| at(it, "Verified")["status"] = "False".into(), &["with Verified=False, Ready is False"]),
    (ready, |it| at(it, "Verified")["status"] = "Unknown".into(), &["with Ready=True, Verified is True"]),
];
const RECONCILING: &str = "with Reconciling, Ready is False, or Unknown of a generation that is not observed";

#[test]
fn each_rule_finds_what_breaks_it_and_nothing_else() {
    let mut found = BTreeSet::new();
    for (place, (good, spoil, expected)) in CASES.iter().enumerate() {
        let mut object = good();
        spoil(&mut object);
        let seen = Seen::of(&object);
        let broken: BTreeSet<&str> = RULES.iter().filter(|(_, holds)| !holds(&seen)).map(|(rule, _)| *rule).collect();
        assert_eq!(broken, expected.iter().copied().collect(), "case {place}: {object}");
        assert_eq!(violations(&[object]).len(), expected.len(), "case {place}");
        found.extend(broken);
    }
    assert_eq!(found, RULES.iter().map(|(rule, _)| *rule).collect(), "every rule has a case");
}

#[test]
fn what_the_contract_allows_breaks_no_rule() {
    let mut owed = ready();
    at(&mut owed, "Synced")["observedGeneration"] = 1.into();
    let off = "Suspended";
    let suspended = object(2, &[("Ready", "Unknown", off), ("Verified", "Unknown", off), ("Synced", "Unknown", off)]);
    let new = json!({"metadata": {"name": "a", "generation": 1}, "status": {"observedGeneration": -1}});
    for good in [ready(), owed, stalled(), retried(), awaiting(), unknown(), suspended, new] {
        assert_eq!(violations(&[good]), Vec::<String>::new());
    }
}

#[test]
fn each_rule_of_two_writes_finds_what_breaks_it() {
    let mut later = ready();
    at(&mut later, "Synced")["lastTransitionTime"] = "2026-01-01T00:00:01Z".into();
    let mut flipped = later.clone();
    at(&mut flipped, "Synced")["status"] = "False".into();
    let mut other = awaiting();
    other["metadata"]["uid"] = "2".into();
    let mut found = BTreeSet::new();
    for (before, after, expected) in [
        (ready(), later, Some("lastTransitionTime moves only with the status")),
        (ready(), flipped, None),
        (unknown(), awaiting(), Some("what is observed stays observed")),
        (awaiting(), unknown(), None),
        (unknown(), other, None),
    ] {
        let violations = violations(&[before, after]);
        assert_eq!(violations.len(), expected.iter().len(), "{violations:?}");
        assert!(expected.is_none_or(|rule| violations[0].contains(rule)), "{violations:?}");
        found.extend(expected);
    }
    assert_eq!(found, STEPS.iter().map(|(rule, _)| *rule).collect(), "every rule has a case");
}
