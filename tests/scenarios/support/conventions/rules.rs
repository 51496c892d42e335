//! The rules, each on its own. Flux's checker (`runtime/conditions/check` of fluxcd/pkg) numbers its own ones: a number tells
//! which one a rule stands for.
//!
//! Two things are other than there, by the contract. Ready is Unknown, not False, as long as nothing is known: no tool takes
//! that for ready. And only what is tried again by itself is Reconciling, no run: so Flux's two checkers, one for the middle
//! and one for the end of a reconcile, are one here, and hold at every write.

use serde_json::Value;

/// A rule holds, or not.
type Rule = (&'static str, fn(&Seen<'_>) -> bool);
/// The same of two statuses, one written after the other.
type Step = (&'static str, fn(&Seen<'_>, &Seen<'_>) -> bool);

/// What the rules look at.
pub struct Seen<'a> {
    generation: i64,
    observed: i64,
    conditions: Vec<Condition<'a>>,
}

struct Condition<'a> {
    type_: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
    since: &'a str,
    generation: i64,
}

impl<'a> Seen<'a> {
    /// The status of an object. What is missing is empty, or of generation 0.
    pub fn of(object: &'a Value) -> Self {
        let status = &object["status"];
        let condition = |value: &'a Value| {
            let text = |field: &str| value[field].as_str().unwrap_or_default();
            Condition {
                type_: text("type"),
                status: text("status"),
                reason: text("reason"),
                message: text("message"),
                since: text("lastTransitionTime"),
                generation: value["observedGeneration"].as_i64().unwrap_or_default(),
            }
        };
        Self {
            generation: object["metadata"]["generation"].as_i64().unwrap_or_default(),
            observed: status["observedGeneration"].as_i64().unwrap_or_default(),
            conditions: status["conditions"].as_array().into_iter().flatten().map(condition).collect(),
        }
    }

    fn find(&self, type_: &str) -> Option<&Condition<'a>> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }

    fn has(&self, type_: &str) -> bool {
        self.find(type_).is_some()
    }

    fn is(&self, type_: &str, status: &str) -> bool {
        self.find(type_).is_some_and(|condition| condition.status == status)
    }

    fn each(&self, holds: impl Fn(&Condition<'a>) -> bool) -> bool {
        self.conditions.iter().all(holds)
    }

    fn is_observed(&self) -> bool {
        self.observed == self.generation
    }
}

/// What holds of every status from the first one on.
pub const RULES: &[Rule] = &[
    ("a type stands once", |seen| {
        seen.each(|one| seen.conditions.iter().filter(|other| other.type_ == one.type_).count() == 1)
    }),
    // WARN0002 wants Ready to repeat the worst of the other conditions that are bad when True: there are none but these.
    ("a type is one of the five", |seen| {
        seen.each(|one| matches!(one.type_, "Ready" | "Verified" | "Synced" | "Reconciling" | "Stalled"))
    }),
    ("a status is True, False or Unknown", |seen| seen.each(|one| matches!(one.status, "True" | "False" | "Unknown"))),
    ("a reason is one word", |seen| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        seen.each(|one| !one.reason.is_empty() && one.reason.chars().all(allowed))
    }),
    ("a message is sentences", |seen| seen.each(|one| one.message.ends_with('.'))),
    ("a condition says since when", |seen| seen.each(|one| !one.since.is_empty())),
    // WARN0005.
    ("a condition says of which generation it is", |seen| seen.each(|one| one.generation >= 1)),
    ("no condition is of a generation that is yet to come", |seen| seen.each(|one| one.generation <= seen.generation)),
    // FAIL0006.
    ("no generation is observed that is yet to come", |seen| seen.observed <= seen.generation),
    // FAIL0002, which wants Ready alone.
    ("Ready, Verified and Synced are always there", |seen| {
        ["Ready", "Verified", "Synced"].iter().all(|type_| seen.has(type_))
    }),
    // WARN0003 and WARN0004.
    ("Reconciling and Stalled are there only while they are True", |seen| {
        ["Reconciling", "Stalled"].iter().all(|type_| !seen.has(type_) || seen.is(type_, "True"))
    }),
    // FAIL0001 and WARN0001.
    ("with Ready=True, neither Reconciling nor Stalled is there", |seen| {
        !seen.is("Ready", "True") || !seen.has("Reconciling") && !seen.has("Stalled")
    }),
    // FAIL0003, but for a generation whose verdict is awaited: of that one nothing is known yet.
    ("with Reconciling, Ready is False, or Unknown of a generation that is not observed", |seen| {
        !seen.has("Reconciling") || seen.is("Ready", "False") || seen.is("Ready", "Unknown") && !seen.is_observed()
    }),
    // FAIL0004.
    ("with Stalled, Ready is False", |seen| !seen.has("Stalled") || seen.is("Ready", "False")),
    ("Stalled says what Ready says", |seen| {
        let [stalled, ready] = ["Stalled", "Ready"].map(|type_| seen.find(type_).map(|one| (one.reason, one.message)));
        stalled.is_none() || stalled == ready
    }),
    // FAIL0005.
    ("Reconciling and Stalled are not there together", |seen| !seen.has("Reconciling") || !seen.has("Stalled")),
    // FAIL0007, where Unknown is enough.
    ("with a generation that is not observed, Ready is not True", |seen| {
        seen.is_observed() || !seen.is("Ready", "True")
    }),
    // FAIL0008, whatever Ready is, and with the two above FAIL0009. Not of Synced: as long as a run is owed to a change of the
    // spec, it speaks of the generation of the run before, while the credentials are good for the new one.
    ("all but Synced are of this generation", |seen| {
        seen.each(|one| one.type_ == "Synced" || one.generation == seen.generation)
    }),
    // FAIL0011, but only of a generation that is not observed. Unknown is also what is suspended before its first verdict,
    // where nothing is done; and what has another Secret that could not be tried yet, which is nothing new of the spec.
    ("with Ready=Unknown of a generation that is not observed, Reconciling is there", |seen| {
        !seen.is("Ready", "Unknown") || seen.is_observed() || seen.has("Reconciling")
    }),
    ("with Ready=False, Reconciling or Stalled says who helps", |seen| {
        !seen.is("Ready", "False") || seen.has("Reconciling") || seen.has("Stalled")
    }),
    ("with Verified=False, Ready is False", |seen| !seen.is("Verified", "False") || seen.is("Ready", "False")),
    ("with Ready=True, Verified is True", |seen| !seen.is("Ready", "True") || seen.is("Verified", "True")),
];

/// What holds from one write to the next.
pub const STEPS: &[Step] = &[
    ("lastTransitionTime moves only with the status", |before, after| {
        after.each(|one| before.find(one.type_).is_none_or(|old| old.status != one.status || old.since == one.since))
    }),
    ("what is observed stays observed", |before, after| before.observed <= after.observed),
];
