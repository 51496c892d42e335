use serde_json::{Value, json};

use crate::support::{Answer, House, client, house, house_with, send, soon};

async fn post(house: &House, name: &str, body: Value) -> Answer {
    let url = format!("http://{}/_simulator/{name}", house.simulator.address());
    send(client().post(url).body(body.to_string())).await
}

async fn get(house: &House, name: &str) -> Value {
    send(house.request(&format!("!/_simulator/{name}"))).await.json()
}

#[tokio::test]
async fn commands_change_the_server() {
    let house = house_with(|builder| builder.context("bitbucket")).await;
    let path = house.git.path();
    for (name, body) in [
        ("add-user", json!({"user": "ada", "password": "hunter2", "access": "nothing"})),
        ("access", json!({"user": "ada", "target": "PLAT/api", "access": "read"})),
        ("add-repository", json!({"repository": "CORE/lib", "path": path, "public": true})),
        ("move-repository", json!({"repository": "CORE/lib", "to": "CORE/library"})),
        ("repository", json!({"repository": "CORE/library", "archived": true, "description": "x"})),
        ("password", json!({"user": "ada", "password": "new-hunter2"})),
        ("add-token", json!({"user": "ada", "token": "tok-hunter2"})),
        ("settings", json!({"caps": {"commits": 3}, "order": "topological"})),
        ("add-project", json!({"key": "EMPTY", "name": "Nothing in it"})),
        ("rename-project", json!({"key": "EMPTY", "to": "VOID"})),
        ("unlock", json!({"user": "ada"})),
    ] {
        let answer = post(&house, name, body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"ok": true})), "{name}: {}", answer.body);
    }
    let login = Some(("ada", "new-hunter2"));
    assert_eq!(house.get_as(login, "/repos?archived=ALL").await.values("slug"), ["api", "library"]);
    assert_eq!(house.get_with_token("tok-hunter2", "/projects/PLAT/repos/api/commits").await.json()["limit"], 3);
    assert_eq!(get(&house, "settings").await["order"], "topological");
    assert_eq!(get(&house, "users").await[1]["user"], "ada");
    for (name, body, status) in [
        ("password", json!({"user": "nobody", "password": "x-hunter2"}), 404),
        ("password", json!({"password": "x-hunter2"}), 400),
        ("settings", json!({"colour": "red"}), 400),
        ("paint", json!({}), 400),
        ("release", json!({"hold": "none"}), 404),
        ("add-user", json!({"user": "bob", "colour": "red"}), 400),
    ] {
        assert_eq!(post(&house, name, body).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn faults_and_the_log_are_at_hand() {
    let house = house().await;
    let hold = json!({"matches": {"pathContains": "/users"}, "times": 1, "action": {"hold": "door"}});
    let id = post(&house, "fault", hold).await.json()["id"].clone();
    let (answer, ()) = tokio::join!(house.get("/users"), async {
        let seen = soon(get(&house, "wait?path=/users&count=1&timeoutMs=9000")).await;
        assert_eq!(seen, json!({"seen": true}));
        let seen = get(&house, "wait?path=/users&count=2&timeoutMs=20").await;
        assert_eq!(seen, json!({"seen": false}));
        assert_eq!(get(&house, "faults").await[0]["hits"], 1);
        assert_eq!(post(&house, "release", json!({"hold": "door"})).await.status, 200);
    });
    assert_eq!(answer.status, 200);
    let log = get(&house, "requests").await;
    assert_eq!((&log["total"], &log["statuses"]["200"], &log["mostAtOnce"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(log["requests"][0]["path"], "/rest/api/1.0/users");
    for name in ["requests".to_owned(), format!("faults/{id}")] {
        let url = format!("http://{}/_simulator/{name}", house.simulator.address());
        assert_eq!(send(client().delete(url)).await.status, 200);
    }
    assert_eq!((&get(&house, "requests").await["total"], get(&house, "faults").await), (&json!(0), json!([])));
}
