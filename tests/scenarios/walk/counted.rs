//! What each of these costs, to the request.

use bitbucket_connector::api::spec::{ImportMode, PersonalProjects};
use bitbucket_simulator::git::NewCommit;
use bitbucket_simulator::{Access, Action, Fault, Filling, Hold, NewRepository};

use super::broken::many;
use super::{counts, linear};
use crate::support::database::{Kind, on_both};

async fn personal_projects_are_imported_where_that_is_asked_for(on: Kind) {
    let (mut bench, git) = linear(on, 3).await;
    bench.simulator.add_repository(NewRepository::at("~JDoe/notes", git.path())).unwrap();
    bench.filter.personal_projects = PersonalProjects::Include;
    assert_eq!(bench.synced().await.synced, 2);
    assert_eq!(bench.sorted(), "head head list page@0 page@0 who who", "two at a time, in any order");
    bench.filter.personal_projects = PersonalProjects::Exclude;
    assert_eq!(bench.synced().await.synced, 1);
    assert_eq!(bench.trace(), "list head");
    bench.filter.mode = ImportMode::Allowlist;
    bench.filter.projects = vec!["~jdoe".to_owned()];
    assert_eq!(bench.synced().await.synced, 1);
    assert_eq!(bench.trace(), "list head");
    bench.assert_equal("~JDoe/notes", &git, "main").await;
}

/// Bitbucket knows the base no more, and lists everything instead of saying so.
async fn a_base_that_excludes_nothing_leaves_no_ghosts(on: Kind) {
    let (bench, git) = linear(on, 250).await;
    bench.synced().await;
    bench.simulator.configure(|settings| settings.lenient_since = true);
    let ids = git.rev_list(&["main"]).unwrap();
    git.set_branch("main", &ids[100]).unwrap();
    git.grow("main", 2).unwrap();
    git.prune().unwrap();
    bench.requests();
    assert_eq!(counts(&bench.synced().await), (2, 100, 152));
    assert_eq!(bench.trace(), "list head page@0 page@100 who head");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_cap_that_is_lowered_during_a_walk_loses_no_commit(on: Kind) {
    let (bench, git) = linear(on, 250).await;
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/commits", Action::Hold(hold.clone())).after(1).times(1));
    let meanwhile = async {
        hold.wait_for(1).await;
        bench.simulator.configure(|settings| settings.caps.commits = 60);
        hold.release();
    };
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!(counts(&summary), (250, 0, 250));
    // The page that was held is made afterwards.
    assert_eq!(bench.trace(), "list head who page@0 page@100 page@160 page@220 head");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn pages_of_the_listing_that_are_short_or_empty_are_not_its_end(on: Kind) {
    let bench = many(on, 12, 0).await;
    bench.simulator.configure(|settings| (settings.caps.repositories, settings.filling) = (3, Filling::Short));
    for hidden in [1, 3, 4, 5, 8] {
        bench.simulator.set_access_to("reader", &format!("PLAT/r{hidden:02}"), Access::Nothing).unwrap();
    }
    assert_eq!(bench.synced().await.synced, 7);
    bench.requests();
    assert_eq!(bench.synced().await.synced, 7);
    assert_eq!(bench.trace(), format!("list list list list{}", " head".repeat(7)));
}

async fn a_thousand_repositories_are_listed_by_one_request(on: Kind) {
    let (mut bench, git) = linear(on, 1).await;
    bench.filter.mode = ImportMode::Denylist;
    bench.filter.projects = vec!["*".to_owned()];
    for number in 1..1000 {
        bench.simulator.add_repository(NewRepository::at(&format!("PLAT/r{number}"), git.path())).unwrap();
    }
    bench.synced().await;
    assert_eq!(bench.trace(), "list");
    bench.simulator.add_repository(NewRepository::at("PLAT/r1000", git.path())).unwrap();
    bench.synced().await;
    assert_eq!(bench.trace(), "list list");
    let rows = bench.query("SELECT 1 FROM bitbucket_server_repositories WHERE NOT allowlisted").await.rows;
    assert_eq!(rows.len(), 1001);
}

async fn what_is_renamed_or_moved_between_two_runs_costs_nothing_more(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.requests();
    bench.simulator.move_repository("PLAT/api", "NEW/interface").unwrap();
    assert_eq!(counts(&bench.synced().await), (0, 0, 3));
    assert_eq!(bench.trace(), "list head");
    bench.simulator.rename_project("NEW", "OTHER").unwrap();
    assert_eq!(counts(&bench.synced().await), (0, 0, 3));
    assert_eq!(bench.trace(), "list head");
    bench.assert_equal("OTHER/interface", &git, "main").await;
}

async fn a_fork_has_rows_of_its_own(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.add_repository(NewRepository::at("~jdoe/api", git.path())).unwrap();
    bench.simulator.add_repository(NewRepository::at("TEAM/api", git.path())).unwrap();
    bench.requests();
    assert_eq!(counts(&bench.synced().await), (3, 0, 6));
    assert_eq!(bench.sorted(), "head head list page@0 who", "two at a time, in any order");
    bench.assert_equal("TEAM/api", &git, "main").await;
}

async fn another_branch_that_becomes_the_default_one_is_one_walk(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    let ids = git.rev_list(&["main"]).unwrap();
    git.set_branch("release", &ids[10]).unwrap();
    git.grow("release", 2).unwrap();
    bench.simulator.set_default_branch("PLAT/api", "release").unwrap();
    bench.requests();
    assert_eq!(counts(&bench.synced().await), (2, 10, 22));
    assert_eq!(bench.trace(), "list head page@0 who");
    bench.assert_equal("PLAT/api", &git, "release").await;
    let rows = bench.query("SELECT default_branch FROM bitbucket_server_repositories").await.rows;
    assert_eq!(rows[0][0], "release");
}

/// The old head is the last of five parents, and one of the others a root: that is growth.
async fn an_octopus_that_holds_the_old_head_is_growth(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    let ids = git.rev_list(&["main"]).unwrap();
    let arms = [Some(&ids[20]), None, Some(&ids[3]), Some(&ids[29])].into_iter().enumerate();
    let mut octopus = NewCommit::at("octopus", 0);
    for (number, base) in arms {
        let arm = NewCommit::at(format!("arm {number}"), 0);
        let arm = base.map_or(arm.clone(), |base| arm.parent(base));
        octopus = octopus.parent(&git.commit(arm).unwrap());
    }
    let head = git.commit(octopus.parent(&ids[0])).unwrap();
    git.set_branch("main", &head).unwrap();
    bench.requests();
    assert_eq!(counts(&bench.synced().await), (5, 0, 35));
    assert_eq!(bench.trace(), "list head page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// Base and new head have both gone when the pages are asked for.
async fn a_base_and_a_target_that_go_together_cost_two_refusals(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    let ids = git.rev_list(&["main"]).unwrap();
    git.grow("main", 1).unwrap();
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/commits", Action::Hold(hold.clone())).times(1));
    let meanwhile = async {
        hold.wait_for(1).await;
        let side = git.commit(NewCommit::at("side", 77).parent(&ids[10])).unwrap();
        git.set_branch("main", &side).unwrap();
        git.prune().unwrap();
        hold.release();
    };
    bench.requests();
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!(counts(&summary), (1, 10, 21));
    assert_eq!(bench.trace(), "list head page@0 head page@0 head who page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

on_both! {
    personal_projects_are_imported_where_that_is_asked_for,
    a_base_that_excludes_nothing_leaves_no_ghosts,
    a_cap_that_is_lowered_during_a_walk_loses_no_commit,
    pages_of_the_listing_that_are_short_or_empty_are_not_its_end,
    a_thousand_repositories_are_listed_by_one_request,
    what_is_renamed_or_moved_between_two_runs_costs_nothing_more,
    a_fork_has_rows_of_its_own,
    another_branch_that_becomes_the_default_one_is_one_walk,
    an_octopus_that_holds_the_old_head_is_growth,
    a_base_and_a_target_that_go_together_cost_two_refusals,
}
