//! Which Pod is chosen. That a port is forwarded takes a kubelet.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use kube::Config;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::runtime::tls;

/// An API server that has these Pods, of namespaces and names, and this holder of their Lease; what may not be listed is forbidden.
async fn api(pods: &[(&str, &str)], everywhere: bool, holder: Option<&str>) -> Client {
    tls::install();
    let pods = pods.iter().map(|(namespace, name)| {
        json!({
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"containers": [{"name": "c", "ports": [{"name": "page", "containerPort": 8082}]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        })
    });
    let state = (pods.collect::<Vec<Value>>(), everywhere, holder.map(str::to_owned));
    let answer = async |State((pods, everywhere, holder)): State<(Vec<Value>, bool, Option<String>)>,
                        uri: Uri|
           -> Response {
        let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        let listed =
            |items: Vec<Value>| Json(json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}));
        let refused = |code: StatusCode, reason: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason, "message": reason});
            (code, Json(status)).into_response()
        };
        match (&parts[..], holder) {
            (["api", "v1", "pods"], _) if everywhere => listed(pods).into_response(),
            (["api", "v1", "namespaces", namespace, "pods"], _) => {
                listed(pods.into_iter().filter(|pod| pod["metadata"]["namespace"] == *namespace).collect())
                    .into_response()
            }
            ([.., "leases", "bitbucket-connector"], Some(holder)) => {
                Json(json!({"metadata": {}, "spec": {"holderIdentity": holder}})).into_response()
            }
            _ => refused(StatusCode::FORBIDDEN, "Forbidden"),
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(state);
    tokio::spawn(axum::serve(listener, router).into_future());
    Client::try_from(Config::new(url.parse().unwrap())).unwrap()
}

async fn refused(client: Client) -> String {
    Forward::find(client, None).await.err().unwrap().to_string()
}

#[tokio::test]
async fn the_operators_are_in_one_namespace_or_it_is_asked_for() {
    let both = [("one", "a"), ("two", "b")];
    assert_eq!(Forward::find(api(&both[..1], true, None).await, None).await.ok().unwrap().namespace, "one");
    let several = refused(api(&both, true, None).await).await;
    assert!(several.contains("--operator-namespace (one, two)"), "{several}");
    let forbidden = refused(api(&both, false, None).await).await;
    assert!(forbidden.contains("--operator-namespace") && forbidden.contains("Forbidden"), "{forbidden}");
    let named = Forward::find(api(&both, false, None).await, Some("two")).await;
    assert_eq!(named.ok().unwrap().namespace, "two");
    let none = refused(api(&[], true, None).await).await;
    assert!(none.contains("Does the operator run"), "{none}");
}

#[tokio::test]
async fn the_leader_is_asked_and_where_nobody_knows_it_one_after_the_other() {
    let pods = [("one", "a"), ("one", "b"), ("one", "c")];
    let forward = Forward::find(api(&pods, true, Some("b_0123456789abcdef")).await, None).await.ok().unwrap();
    assert_eq!(forward.choose().await.ok().unwrap().name, "b");
    let forward = Forward::find(api(&pods, true, None).await, None).await.ok().unwrap();
    for expected in ["a", "b", "c"] {
        let place = forward.choose().await.ok().unwrap();
        assert_eq!(place.name, expected);
        forward.chosen().place = Some(place);
        let number = forward.number();
        assert_eq!(forward.stands_by(number), expected != "c", "{expected}");
        assert!(forward.stands_by(number), "another request has learned it before");
        assert_eq!(forward.number(), number + 1);
    }
    assert_eq!(forward.choose().await.ok().unwrap().name, "a", "one of them leads by now");
}
