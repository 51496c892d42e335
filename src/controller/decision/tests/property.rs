//! Random sequences of whatever can happen to a connection, through the same pure functions that a reconcile
//! calls. After each step the status is held against a model that knows only what has been observed, and against
//! what `kubectl wait` and Flux would make of it.

mod cluster;
mod events;
mod expect;
mod kstatus;
mod model;
mod process;
mod stage;

use proptest::prelude::*;

use self::stage::Stage;

proptest! {
    // Failures print the steps and the seed; a file of old seeds would be forgotten.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_status_is_what_was_observed(steps in proptest::collection::vec(events::step(), 1..60)) {
        let mut stage = Stage::new();
        for step in steps {
            stage.play(step);
        }
    }
}
