//! An API server that is not there, not ready, too busy, or not the same any more: the operator survives it, and nothing that it
//! has found out changes by it.

mod answers;
mod credentials;
mod missing;
mod outage;

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_simulator::{Simulator, histories};

use crate::support::front::{Act, Call, Front};
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::until;

const CONNECTIONS: &str = "GET bitbucketconnections";

struct Scene {
    stage: Stage,
    front: Front,
}

async fn scene(theme: &str) -> Scene {
    let stage = Stage::without_operator(theme).await;
    let front = Front::new(&stage.config).await;
    Scene { stage, front }
}

impl Scene {
    /// A Bitbucket of its own, and a connection to it.
    async fn connect(&self, name: &str) -> Simulator {
        let path = self.stage.folder.path().join(name);
        histories::linear(&path, 5).unwrap();
        let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path);
        let simulator = simulator.start().await.unwrap();
        self.stage.apply(&(secret(name, "reader", "hunter2") + &object(name, &simulator, "")));
        simulator
    }

    /// Asks for a run.
    fn ask(&self, name: &str, request: &str) {
        let annotation = format!("bitbucket-connector.dev/requestedAt={request}");
        self.stage.kubectl(&["annotate", "--overwrite", "bbc", name, &annotation]);
    }

    /// Waits until the run that was asked for has ended.
    async fn until_done(&self, name: &str, request: &str) -> BitbucketConnection {
        let done = |object: &BitbucketConnection| {
            object.status.as_ref().is_some_and(|status| {
                let over = status.sync.as_ref().is_some_and(|sync| sync.completion_time.is_some());
                over && status.last_handled_reconcile_at.as_deref() == Some(request)
            })
        };
        self.stage.until(name, &format!("the end of the run {request}"), done).await
    }

    fn logged(&self, what: &str) -> usize {
        self.stage.log().matches(what).count()
    }
}

/// How often it was asked, but for the account's budget, which whoever would wait asks for.
fn asked(simulator: &Simulator) -> usize {
    simulator.requests().iter().filter(|seen| !seen.path.contains("/rate-limit/")).count()
}

/// No slot and no verification of its own accord comes in between.
fn object(name: &str, simulator: &Simulator, more: &str) -> String {
    connection(name, &simulator.url(), name, &format!(", schedule: \"0 0 29 2 *\", verifyInterval: 30m{more}"))
}
