//! Pages that are larger than one that is ahead may be.

use super::*;

/// More than one that is ahead may have, and less than any page may.
fn large() -> Fault {
    Fault::new(edit("padding", json!("x".repeat(2 << 20))))
}

async fn a_page_that_is_too_large_to_wait_is_asked_for_again(on: Kind) {
    let (bench, git) = linear(on, 1450).await;
    bench.simulator.faults().push(large().matches(at(400)));
    assert_eq!(counts(&bench.synced().await), (1450, 0, 1450));
    bench.assert_equal("PLAT/api", &git, "main").await;
    let seen = bench.requests();
    assert_twice(&pages(&seen), "page@400");
    let limits: Vec<_> = seen.iter().filter_map(|seen| seen.parameter("limit")).collect();
    assert!(limits.iter().all(|limit| *limit == "1000"), "it is not too large to be read: {limits:?}");
}

/// Where pages are as large as that, they come twice only if they were on their way already.
async fn large_pages_are_not_asked_for_ahead_for_long(on: Kind) {
    let late = (0..400).step_by(100).map(|start| Matches::Not(Box::new(at(start))));
    let late = late.chain([Matches::QueryContains("until=".to_owned())]).collect();
    let asked = surprised(on, large().matches(Matches::All(late))).await;
    assert!(asked.len() <= 15 + 7, "{asked:?}");
}

on_both! {
    a_page_that_is_too_large_to_wait_is_asked_for_again,
    large_pages_are_not_asked_for_ahead_for_long,
}
