//! Import filters: what is selected, and changing that.

use bitbucket_simulator::{NewRepository, histories};
use serde_json::{Value, json};

use super::scene::{EVERYTHING, Scene};
use crate::support::manifests::{connection, secret};
use crate::support::until;

/// Names of the resources, and whether they are imported.
fn resources(answer: &Value) -> Vec<(String, bool)> {
    let all = answer["resources"].as_array().unwrap().iter();
    all.map(|one| (one["name"].as_str().unwrap().to_owned(), one["import_enabled"].as_bool().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_listed_and_changed_and_the_operator_follows() {
    let scene = Scene::start("datacloud-filters").await;
    for name in ["PLAT/web", "OLD/attic"] {
        let path = scene.stage.folder.path().join(name.replace('/', "-"));
        histories::linear(&path, 2).unwrap();
        scene.simulator.add_repository(NewRepository::at(name, path)).unwrap();
    }
    let caller = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    let id = caller.connection("a").await;
    let of = |method: &str| format!("connections/{id}/importFilters.{method}");
    let (status, listed) = caller.get(&of("list")).await;
    assert_eq!(status, 200, "{listed}");
    assert_eq!((&listed["connection_id"], &listed["mode"]), (&json!(id), &json!("allow_all")));
    assert_eq!(listed["counts"], json!({"total": 3, "imported": 3, "excluded": 0}));
    assert_eq!((&listed["has_more"], &listed["next_cursor"]), (&json!(false), &Value::Null));

    let call = async |method: &str, body: Value| caller.post(&of(method), body).await;
    assert_eq!(call("setMode", json!({"mode": "denylist"})).await.1["error"], "invalid_arguments");
    assert_eq!(call("add", json!({"projects": ["OLD"]})).await.1["error"], "invalid_arguments");
    assert_eq!(call("setMode", json!({"mode": "everything"})).await.1["error"], "invalid_arguments");
    assert_eq!(
        call("setMode", json!({"mode": "denylist", "projects": ["a/b"]})).await.1["error"],
        "invalid_arguments",
        "the CRD says so"
    );
    let (status, answer) = call("setMode", json!({"mode": "denylist", "projects": ["OLD"]})).await;
    assert_eq!((status, &answer["previous_mode"], &answer["mode"]), (200, &json!("allow_all"), &json!("denylist")));
    let (_, answer) = call("add", json!({"repositories": ["PLAT/web"]})).await;
    assert_eq!((&answer["projects"], &answer["repositories"]), (&json!(["OLD"]), &json!(["PLAT/web"])));
    until("the operator follows", async || caller.get(&of("list")).await.1["counts"]["excluded"] == 2).await;

    let (_, excluded) = caller.get(&format!("{}?import_enabled=false", of("list"))).await;
    let mut names = resources(&excluded);
    names.sort();
    assert_eq!(names, [("OLD/attic".to_owned(), false), ("PLAT/web".to_owned(), false)]);
    let mut paged = Vec::new();
    let mut after = 0;
    loop {
        let (_, page) = caller.get(&format!("{}?limit=1&after_id={after}", of("list"))).await;
        paged.extend(resources(&page));
        assert_eq!(page["has_more"].as_bool().unwrap(), !page["next_cursor"].is_null());
        let Some(next) = page["next_cursor"].as_i64() else { break };
        after = next;
    }
    assert_eq!(paged.len(), 3, "{paged:?}");
    for odd in ["limit=x", "after_id=-1", "import_enabled=maybe"] {
        assert_eq!(caller.get(&format!("{}?{odd}", of("list"))).await.1["error"], "invalid_arguments", "{odd}");
    }

    let (_, answer) = call("remove", json!({"projects": ["old"]})).await;
    assert_eq!((&answer["projects"], &answer["repositories"]), (&json!([]), &json!(["PLAT/web"])));
    assert_eq!(call("remove", json!({"repositories": ["PLAT/web"]})).await.1["error"], "invalid_arguments");
    let (status, answer) = call("setMode", json!({"mode": "allow_all"})).await;
    assert_eq!(status, 200, "{answer}");
    until("everything is imported again", async || {
        caller.get(&of("list")).await.1["counts"] == json!({"total": 3, "imported": 3, "excluded": 0})
    })
    .await;
}
