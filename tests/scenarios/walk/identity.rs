//! A run is one account's from its first answer to its last.

use bitbucket_connector::bitbucket::Credentials;
use bitbucket_connector::sync::RunError;
use bitbucket_simulator::{Action, Fault, Refusal};

use super::linear;

#[tokio::test]
async fn a_password_that_stops_working_ends_the_run() {
    let (bench, git) = linear(350).await;
    bench.simulator.set_password("reader", "new-hunter2").unwrap();
    assert!(matches!(bench.run().await, Err(RunError::Identity(_))));
    assert_eq!(bench.simulator.failed_logins("reader"), 1);
    assert_eq!(bench.trace(), "list");
    bench.simulator.set_password("reader", "hunter2").unwrap();
    bench.synced().await;
    bench.assert_equal("PLAT/api", &git, "main").await;
}

#[tokio::test]
async fn a_token_that_is_served_as_nobody_changes_nothing() {
    let (mut bench, git) = linear(3).await;
    bench.synced().await;
    bench.simulator.set_public("PLAT/api", true).unwrap();
    bench.simulator.configure(|settings| settings.public_access = true);
    bench.credentials = Credentials::Token("revoked-hunter2".into());
    bench.requests();
    assert!(matches!(bench.run().await, Err(RunError::Identity(_))));
    assert_eq!(bench.trace(), "list users");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

#[tokio::test]
async fn a_proxy_that_drops_the_accounts_name_costs_one_request() {
    let (bench, git) = linear(3).await;
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

#[tokio::test]
async fn an_answer_as_another_account_ends_the_run() {
    let (bench, git) = linear(3).await;
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
