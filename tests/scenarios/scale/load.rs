//! Connections, their Secrets, and the Bitbucket that they are of.

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_simulator::{Access, Command, NewUser, Simulator, histories};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::support::operator::Stage;

/// Objects that are created at a time.
const AT_A_TIME: usize = 16;

/// How much there is of everything.
#[derive(Clone, Copy)]
pub struct Size {
    /// Connections, each with a Secret of its own.
    pub connections: usize,
    /// Accounts, which the connections have in turn.
    pub accounts: usize,
    /// Repositories that each account reads, and nobody else.
    pub repositories: usize,
    /// Commits of each of these.
    pub commits: usize,
}

/// A Bitbucket of this size.
pub async fn bitbucket(stage: &Stage, size: Size) -> Simulator {
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, size.commits).unwrap();
    let mut builder = Simulator::builder();
    for number in 0..size.accounts {
        let (user, project) = (account(number), format!("TEAM{number}"));
        for repository in 0..size.repositories {
            builder = builder.repository(&format!("{project}/api{repository}"), &path);
        }
        builder = builder
            .add_user(NewUser::reader(&user, &password(number)).access(Access::Nothing))
            .command(Command::Access { user, target: Some(project), access: Access::Read });
    }
    builder.start().await.unwrap()
}

fn account(number: usize) -> String {
    format!("reader{number}")
}

fn password(number: usize) -> String {
    format!("hunter2-{number}")
}

/// Creates the connections and their Secrets. Their schedule has no moment for years.
pub async fn create(stage: &Stage, url: &str, size: Size) {
    let secrets: Api<Secret> = Api::namespaced(stage.objects.clone().into_client(), &stage.namespace);
    let params = PostParams::default();
    let one = async |number: usize| {
        let (name, of) = (format!("c{number}"), number % size.accounts);
        let data = json!({"username": account(of), "password": password(of)});
        let secret: Secret = serde_json::from_value(json!({"metadata": {"name": name}, "stringData": data})).unwrap();
        secrets.create(&params, &secret).await?;
        let spec = json!({"url": url, "secretRef": {"name": name}, "schedule": "0 0 29 2 *"});
        let object = BitbucketConnection::new(&name, serde_json::from_value(spec).unwrap());
        stage.objects.create(&params, &object).await.map(drop)
    };
    stream::iter((0..size.connections).map(one)).buffer_unordered(AT_A_TIME).try_collect::<()>().await.unwrap();
}
