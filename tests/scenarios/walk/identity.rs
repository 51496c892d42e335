//! A run is one account's from its first answer to its last.

use bitbucket_connector::bitbucket::Credentials;
use bitbucket_connector::sync::RunError;
use bitbucket_simulator::{Access, Action, Fault, Refusal};

use super::linear;
use crate::support::database::{Kind, on_both};

async fn a_password_that_stops_working_ends_the_run(on: Kind) {
    let (bench, git) = linear(on, 350).await;
    bench.simulator.set_password("reader", "new-hunter2").unwrap();
    assert!(matches!(bench.run().await, Err(RunError::Identity(_))));
    assert_eq!(bench.simulator.failed_logins("reader"), 1);
    assert_eq!(bench.trace(), "list");
    bench.simulator.set_password("reader", "hunter2").unwrap();
    bench.synced().await;
    assert_eq!(bench.trace(), "list head who page@0 page@100 page@200 page@300 head");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_token_that_is_served_as_nobody_changes_nothing(on: Kind) {
    let (mut bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.set_public("PLAT/api", true).unwrap();
    bench.simulator.configure(|settings| settings.public_access = true);
    bench.credentials = Credentials::Token("revoked-hunter2".into());
    bench.requests();
    assert!(matches!(bench.run().await, Err(RunError::Identity(_))));
    assert_eq!(bench.trace(), "list users");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_proxy_that_drops_the_accounts_name_costs_one_request(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.simulator.faults().push(Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), String::new())));
    bench.synced().await;
    bench.assert_equal("PLAT/api", &git, "main").await;
    assert_eq!(bench.trace(), "list users head who page@0");
    // A proof that does not come through is no word about the account.
    bench.simulator.faults().clear();
    let broken = Action::Refuse(Refusal::Internal { message: "no".to_owned() });
    bench.simulator.faults().push(Fault::on_path("/users", broken));
    bench.simulator.faults().push(Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), String::new())));
    assert!(matches!(bench.run().await, Err(RunError::Listing(_))));
    assert_eq!(bench.trace(), "list users users users users");
}

async fn a_refusal_that_names_nobody_is_one_to_this_account_if_it_is_proven_again(on: Kind) {
    let (bench, _git) = linear(on, 3).await;
    let strip = || Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), String::new()));
    bench.simulator.set_access_to("reader", "PLAT/api", Access::Listing).unwrap();
    bench.simulator.faults().push(strip());
    assert_eq!(bench.run().await.unwrap().inaccessible, ["PLAT/api"]);
    assert_eq!(bench.trace(), "list users head users");
    // It is nobody's, if it is not.
    bench.simulator.faults().clear();
    let refuse = Action::Refuse(Refusal::NotAuthenticated);
    bench.simulator.faults().push(Fault::on_path("/users", refuse).after(1));
    bench.simulator.faults().push(strip());
    assert!(matches!(bench.run().await, Err(RunError::Identity(_))));
    assert_eq!(bench.trace(), "list users head users");
}

async fn an_answer_as_another_account_ends_the_run(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    // A cache in front of the server mixes up who asks, and the other one may not read the repository.
    let header = Action::AddHeader("X-AUSERNAME".to_owned(), "somebody-else".to_owned());
    bench.simulator.faults().push(Fault::on_path("/branches/default", header));
    bench.requests();
    assert!(matches!(bench.run().await, Err(RunError::Identity(_))));
    assert_eq!(bench.trace(), "list head");
    let rows = bench.query("SELECT api_accessible, failure FROM bitbucket_server_repositories").await;
    assert_eq!(serde_json::json!(rows.rows), serde_json::json!([[1, null]]));
    bench.assert_equal("PLAT/api", &git, "main").await;
}

on_both! {
    a_password_that_stops_working_ends_the_run,
    a_token_that_is_served_as_nobody_changes_nothing,
    a_proxy_that_drops_the_accounts_name_costs_one_request,
    a_refusal_that_names_nobody_is_one_to_this_account_if_it_is_proven_again,
    an_answer_as_another_account_ends_the_run,
}
