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

/// A Bitbucket with so many accounts, each of which reads one repository with so many commits, of its own project.
pub async fn bitbucket(stage: &Stage, accounts: usize, commits: usize) -> Simulator {
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, commits).unwrap();
    let mut builder = Simulator::builder();
    for number in 0..accounts {
        let (user, project) = (account(number), format!("TEAM{number}"));
        builder = builder
            .repository(&format!("{project}/api"), &path)
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

/// Creates so many connections, each with a Secret of its own, of the accounts in turn. Their schedule has no moment for
/// years.
pub async fn create(stage: &Stage, url: &str, connections: usize, accounts: usize) {
    let secrets: Api<Secret> = Api::namespaced(stage.objects.clone().into_client(), &stage.namespace);
    let params = PostParams::default();
    let one = async |number: usize| {
        let (name, of) = (format!("c{number}"), number % accounts);
        let data = json!({"username": account(of), "password": password(of)});
        let secret: Secret = serde_json::from_value(json!({"metadata": {"name": name}, "stringData": data})).unwrap();
        secrets.create(&params, &secret).await?;
        let spec = json!({"url": url, "secretRef": {"name": name}, "schedule": "0 0 29 2 *"});
        let object = BitbucketConnection::new(&name, serde_json::from_value(spec).unwrap());
        stage.objects.create(&params, &object).await.map(drop)
    };
    stream::iter((0..connections).map(one)).buffer_unordered(AT_A_TIME).try_collect::<()>().await.unwrap();
}
