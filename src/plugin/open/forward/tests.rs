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

/// An API server that has these Pods, of namespaces and names, and this holder of their Lease.
async fn api(pods: &[(&str, &str)], holder: Option<&str>) -> Client {
    tls::install();
    let pods = pods.iter().map(|(namespace, name)| {
        json!({
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"containers": [{"name": "c", "ports": [{"name": "page", "containerPort": 8082}]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        })
    });
    let state = (pods.collect::<Vec<Value>>(), holder.map(str::to_owned));
    let answer = async |State((pods, holder)): State<(Vec<Value>, Option<String>)>, uri: Uri| -> Response {
        let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        let listed =
            |items: Vec<Value>| Json(json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}));
        let refused = |code: StatusCode, reason: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason, "message": reason});
            (code, Json(status)).into_response()
        };
        match (&parts[..], holder) {
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

async fn refused(client: Client, namespace: &str) -> String {
    Forward::find(client, namespace).await.err().unwrap().to_string()
}

#[tokio::test]
async fn the_operators_are_where_it_is_said_and_nowhere_else() {
    let both = [("one", "a"), ("two", "b")];
    let named = Forward::find(api(&both, None).await, "two").await.ok().unwrap();
    assert_eq!(named.choose().await.ok().unwrap().name, "b");
    let none = refused(api(&both, None).await, "three").await;
    assert!(none.contains("in namespace three") && none.contains("--operator-namespace"), "{none}");
}

#[tokio::test]
async fn the_leader_is_asked_and_where_nobody_knows_it_one_after_the_other() {
    let pods = [("one", "a"), ("one", "b"), ("one", "c")];
    let forward = Forward::find(api(&pods, Some("b_0123456789abcdef")).await, "one").await.ok().unwrap();
    assert_eq!(forward.choose().await.ok().unwrap().name, "b");
    let forward = Forward::find(api(&pods, None).await, "one").await.ok().unwrap();
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
