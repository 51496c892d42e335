//! A Bitbucket that goes silent in the middle of many runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bitbucket_connector::bitbucket::{BaseUrl, Clients, Credentials, Options, Patience, Way};
use bitbucket_connector::destination::{ConnectionKey, DatabaseUrl, Destination};
use bitbucket_connector::runtime::tls;
use bitbucket_connector::sync::{Filter, Hints, Run, RunError};
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::{Action, Fault, Matches, NewUser, Simulator, histories};

use crate::support::sync::short;
use crate::support::within;

const RUNS: usize = 8;
const WAITS: &[Duration] = &[Duration::from_millis(5); 3];

#[tokio::test]
async fn ends_all_of_them_although_they_wait_for_the_same_places() {
    tls::install();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.git");
    histories::linear(&path, 1).unwrap();
    let mut builder = Simulator::builder();
    for number in 0..40 {
        builder = builder.repository(&format!("PLAT/r{number:02}"), &path);
    }
    for number in 0..RUNS {
        let name = format!("robot{number}");
        builder = builder.add_user(NewUser { service: true, ..NewUser::reader(&name, "hunter2") });
        builder = builder.token(&name, &format!("hunter2-{number}"));
    }
    let simulator = builder.start().await.unwrap();
    let heads = Matches::PathEndsWith("/branches/default".to_owned());
    simulator.faults().push(Fault::new(Action::Hang).matches(heads));
    simulator.faults().push(Fault::on_path("/application-properties", Action::Hang).after(8));
    // Places for fewer requests than all runs together have under way.
    let clients = Clients::new(16, Addresses::all());
    let database = DatabaseUrl::Sqlite(folder.path().join("commits.db"));
    let destination = Destination::open(&database).await.unwrap();
    let runs = (0..RUNS).map(async |number| {
        let credentials = Credentials::Token(format!("hunter2-{number}").into());
        let way = Way::new(Duration::from_millis(300));
        let patience = Patience { waits: WAITS, ..Patience::default() };
        let options = Options { concurrency: 4, patience, reopen: None };
        let base = BaseUrl::parse(&simulator.url()).unwrap();
        let run = Run {
            client: clients.client(base, credentials, &way, options).unwrap(),
            destination: destination.clone(),
            key: ConnectionKey {
                cluster: "test".to_owned(),
                namespace: "default".to_owned(),
                name: number.to_string(),
                uid: "1".to_owned(),
            },
            filter: Filter::from(&bitbucket_connector::api::spec::ImportFilter::default()),
            concurrency: 4,
            progress: Arc::default(),
            hints: Hints::default(),
        };
        run.run().await
    });
    for ended in within("the end of all runs", futures::future::join_all(runs)).await {
        assert!(matches!(ended, Err(RunError::Outage(_))), "{ended:?}");
    }
    let (mut asked, mut tries) = (BTreeMap::new(), BTreeMap::new());
    for seen in simulator.requests().into_iter().filter(|seen| !seen.path.contains("/rate-limit/")) {
        match (short(&seen).as_str(), seen.claimed_user) {
            ("head", Some(user)) => *tries.entry(user).or_insert_with(BTreeMap::new).entry(seen.path).or_insert(0) += 1,
            (short, user) => *asked.entry((user, short.to_owned())).or_insert(0) += 1,
        }
    }
    // Each has asked whether Bitbucket is there when it began, and at its end four times more: that is the `who`.
    let mut expected = BTreeMap::from([((None, "who".to_owned()), RUNS * (1 + 4))]);
    expected.extend((0..RUNS).map(|number| ((Some(format!("robot{number}")), "list".to_owned()), 1)));
    assert_eq!(asked, expected);
    assert_eq!(tries.len(), RUNS);
    for (user, tries) in tries {
        // Two times as many as there are at a time have failed, four tries each. Then one of four asks whether Bitbucket
        // is there; how far the other three come meanwhile is the clock's.
        let ended = tries.values().filter(|tries| **tries == 4).count();
        let open = tries.values().filter(|tries| **tries < 4).count();
        assert!(ended >= 8 && open <= 3 && ended + open == tries.len(), "{user}: {tries:?}");
    }
}
