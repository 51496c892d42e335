use serde_json::json;

use crate::support::{house, house_with, send};

const API: &str = "/projects/PLAT/repos/api";

#[tokio::test]
async fn what_is_not_there_has_its_exception() {
    let house = house().await;
    let gone = "0123456789012345678901234567890123456789";
    for (path, exception, message) in [
        ("/projects/nope", "com.atlassian.bitbucket.project.NoSuchProjectException", "Project nope does not exist."),
        (
            "/projects/nope/repos",
            "com.atlassian.bitbucket.project.NoSuchProjectException",
            "Project nope does not exist.",
        ),
        (
            "/projects/plat/repos/nope/commits",
            "com.atlassian.bitbucket.repository.NoSuchRepositoryException",
            "Repository PLAT/nope does not exist.",
        ),
        (
            &format!("{API}/commits?until=nope"),
            "com.atlassian.bitbucket.commit.NoSuchCommitException",
            "Commit 'nope' does not exist in repository 'api'.",
        ),
        (
            &format!("{API}/commits?since={gone}"),
            "com.atlassian.bitbucket.commit.NoSuchCommitException",
            &format!("Commit '{gone}' does not exist in repository 'api'."),
        ),
        (
            &format!("{API}/commits/{gone}"),
            "com.atlassian.bitbucket.commit.NoSuchCommitException",
            &format!("Commit '{gone}' does not exist in repository 'api'."),
        ),
    ] {
        let answer = house.get(path).await;
        let body = json!({"errors": [{"context": null, "message": message, "exceptionName": exception}]});
        assert_eq!((answer.status, answer.json()), (404, body), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
    }
}

#[tokio::test]
async fn revision_operators_and_odd_names_are_no_commits() {
    let house = house().await;
    for name in [
        "main~1",
        "main%5E",
        "@%7B0%7D",
        "-n1",
        "main..main",
        "%3A%2Fmain",
        "a%0Ab",
        "main%20main",
        "HEAD%5E%7Btree%7D",
    ] {
        let answer = house.get(&format!("{API}/commits?until={name}")).await;
        assert_eq!(answer.exception(), (404, "NoSuchCommitException".to_owned()), "{name}");
    }
    // A branch of that name can be asked for; so can a commit by a tag.
    let id = house.git.branch("main").unwrap().unwrap();
    house.git.set_branch("feature/ü-1", &id).unwrap();
    house.git.git(["update-ref", "refs/tags/v1", &id]).unwrap();
    for name in ["feature%2F%C3%BC-1", "v1", "refs/tags/v1", "HEAD"] {
        assert_eq!(house.get(&format!("{API}/commits?until={name}")).await.json()["size"], 12, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_400() {
    let house = house().await;
    for path in ["commits?limit=0", "commits?limit=x", "commits?start=-1", "commits?merges=some", "commits/main"] {
        let answer = house.get(&format!("{API}/{path}")).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.json()["errors"][0]["context"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn unknown_routes_have_no_errors_array() {
    let house = house().await;
    let answer = house.get(&format!("{API}/nothing")).await;
    assert_eq!(answer.body, r#"{"message":"HTTP 404 Not Found","status-code":404,"sub-code":-1}"#);
    let url = format!("{}/rest/api/1.0/nothing", house.simulator.url());
    let answer = send(crate::support::client().get(url)).await;
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/xml;charset=UTF-8")));
    assert!(answer.body.contains("<status>"), "{}", answer.body);
    assert_eq!(house.get("/projects").await.status, 200);
    let answer = send(house.request("/projects").header("Accept", "text/html").header("Accept", "image/png")).await;
    assert_eq!(answer.status, 401, "application/json is among them");
    let url = format!("{}/rest/api/1.0/projects", house.simulator.url());
    let answer = send(crate::support::client().get(&url).header("Accept", "text/html")).await;
    assert_eq!((answer.status, answer.body.as_str()), (406, ""));
    assert_eq!(send(crate::support::client().post(&url)).await.status, 405);
}

#[tokio::test]
async fn elsewhere_there_are_pages() {
    let house = house_with(|builder| builder.context("/bitbucket")).await;
    for path in ["!/rest/api/1.0/projects", "!/bitbucket/projects", "!/", "!/bitbucket/rest/api/1.0/projects/a%2Fb"] {
        let answer = send(house.request(path)).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("text/html;charset=UTF-8")), "{path}");
        assert!(answer.body.len() > 10_000);
    }
    assert_eq!(house.get("/projects").await.status, 200);
}

#[tokio::test]
async fn headers_are_the_recorded_ones() {
    let house = house_with(|builder| builder.user("Zoë", "hunter2")).await;
    let answer = house.get("/projects").await;
    let cache: Vec<_> = answer.headers.get_all("cache-control").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(cache, ["private, no-cache", "no-cache, no-transform"]);
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("vary"), Some("x-ausername,x-auserid,cookie,accept-encoding"));
    assert!(answer.header("x-asessionid").is_some());
    let id = answer.header("x-arequestid").unwrap();
    assert!(id.starts_with('@') && id.contains('x'), "{id}");
    let answer = house.get_as(None, "/application-properties").await;
    assert_eq!((answer.header("x-ausername"), answer.header("x-asessionid")), (None, None));
    assert!(answer.header("x-arequestid").is_some());
    assert_eq!(house.get_as(Some(("Zoë", "hunter2")), "/users").await.header("x-ausername"), Some("Zo%C3%AB"));
}
