use bitbucket_simulator::{RateLimit, ServerState, UnknownToken};
use serde_json::json;

use crate::support::{house, house_with, send};

const NOT_PERMITTED: &str = "You are not permitted to access this resource";

#[tokio::test]
async fn a_password_or_a_token_proves_who_it_is() {
    let house = house().await;
    for answer in [
        house.get("/users?limit=1").await,
        house.get_as(Some(("READER", "se:hunter2")), "/users").await,
        house.get_with_token("t0ken-hunter2", "/users").await,
        house.get_as(Some(("reader", "t0ken-hunter2")), "/users").await,
        house.get("/projects/NONE").await,
    ] {
        assert_eq!((answer.header("x-ausername"), answer.header("x-auserid")), (Some("reader"), Some("1")));
    }
    assert_eq!(house.get("/users/reader").await.json()["displayName"], "reader");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_counted() {
    let house = house().await;
    for count in 1..=5 {
        let answer = house.get_as(Some(("reader", "wrong-hunter2")), "/application-properties").await;
        let message = "Authentication failed. Please check your credentials and try again.".to_owned();
        assert_eq!(answer.error(), (401, "IncorrectPasswordAuthenticationException".to_owned(), message));
        assert_eq!((answer.header("x-ausername"), house.simulator.failed_logins("Reader")), (None, count));
    }
    // Locked: the right password does not help, and the status is a matter of opinion.
    assert_eq!(house.get("/users").await.exception(), (401, "CaptchaRequiredAuthenticationException".to_owned()));
    house.simulator.configure(|settings| settings.captcha_status = 403);
    assert_eq!(house.get("/users").await.exception(), (403, "CaptchaRequiredAuthenticationException".to_owned()));
    assert_eq!(house.get_with_token("t0ken-hunter2", "/users").await.status, 200);
    house.simulator.unlock("reader").unwrap();
    assert_eq!((house.get("/users").await.status, house.simulator.failed_logins("reader")), (200, 0));
}

#[tokio::test]
async fn a_success_in_between_starts_the_count_again() {
    let house = house().await;
    for password in ["x-hunter2"; 4].into_iter().chain(["se:hunter2"]).cycle().take(10) {
        house.get_as(Some(("reader", password)), "/users").await;
    }
    assert_eq!(house.simulator.failed_logins("reader"), 0);
    house.simulator.set_password("reader", "new-hunter2").unwrap();
    assert_eq!(house.get("/users").await.status, 401);
    assert_eq!(house.get_as(Some(("reader", "new-hunter2")), "/users").await.status, 200);
}

#[tokio::test]
async fn an_unknown_token_is_treated_in_three_ways() {
    let house = house().await;
    house.simulator.remove_token("t0ken-hunter2").unwrap();
    let ask = |path: &'static str| house.get_with_token("t0ken-hunter2", path);
    assert_eq!(ask("/application-properties").await.status, 200);
    let answer = ask("/users").await;
    let exception = "AuthenticationRequiredException".to_owned();
    assert_eq!(answer.error(), (401, exception, NOT_PERMITTED.to_owned()));
    assert_eq!(answer.header("x-ausername"), None);
    assert!(answer.body.contains("com.atlassian.plugins.rest.common.security.Auth"), "{}", answer.body);
    house.simulator.configure(|settings| settings.version = "10.4.1".to_owned());
    let body = ask("/users").await.body;
    assert!(body.contains("com.atlassian.plugins.rest.api.security.exception.Auth"), "{body}");
    for (treatment, exception) in [
        (UnknownToken::AuthenticationFailed, "IncorrectPasswordAuthenticationException"),
        (UnknownToken::NotPermitted, "AuthorisationException"),
    ] {
        house.simulator.configure(|settings| settings.unknown_token = treatment);
        let answer = ask("/application-properties").await;
        assert_eq!((answer.exception(), answer.header("x-ausername")), ((401, exception.to_owned()), None));
    }
    assert_eq!(house.simulator.failed_logins("reader"), 0);
}

#[tokio::test]
async fn nobody_gets_the_properties_and_public_things() {
    let house = house().await;
    house.repository("OPEN/one");
    house.simulator.set_public("OPEN/one", true).unwrap();
    assert_eq!(house.get_as(None, "/application-properties").await.json()["version"], "8.19.4");
    for path in ["/projects", "/repos", "/profile/recent/repos", "/users", "/projects/OPEN/repos/one"] {
        let answer = house.get_as(None, path).await;
        assert_eq!(answer.exception(), (401, "AuthenticationRequiredException".to_owned()), "{path}");
    }
    house.simulator.configure(|settings| settings.public_access = true);
    assert_eq!(house.get_as(None, "/repos").await.values("slug"), ["one"]);
    assert_eq!(house.get_as(None, "/projects").await.values("key"), ["OPEN"]);
    assert_eq!(house.get_as(None, "/projects/OPEN/repos/one").await.status, 200);
    let answer = house.get_as(None, "/projects/PLAT/repos/api").await;
    assert_eq!(answer.exception(), (401, "AuthorisationException".to_owned()));
    assert_eq!(house.get_as(None, "/users").await.status, 401);
    // A revoked token sees the same: a shorter list, and 200.
    assert_eq!(house.get_with_token("gone-hunter2", "/repos").await.values("slug"), ["one"]);
}

#[tokio::test]
async fn switched_off_and_unlicensed() {
    let house = house().await;
    house.simulator.configure(|settings| settings.basic_authentication = false);
    let answer = house.get("/users").await;
    let body = json!({"message": "Basic Authentication has been disabled on this instance."});
    assert_eq!((answer.status, answer.json()), (403, body));
    assert_eq!(house.get_with_token("t0ken-hunter2", "/users").await.status, 200);
    house.simulator.set_licensed("reader", false).unwrap();
    let answer = house.get_with_token("t0ken-hunter2", "/users").await;
    assert_eq!(answer.exception(), (401, "NoAccessAuthenticationException".to_owned()));
    house.simulator.configure(|settings| settings.unlicensed_body = false);
    let answer = house.get_with_token("t0ken-hunter2", "/users").await;
    assert_eq!((answer.status, answer.body.as_str()), (401, ""));
}

#[tokio::test]
async fn a_budget_runs_out() {
    let limit = RateLimit { capacity: 2, fill_rate: 0 };
    let house = house_with(|builder| builder.configure(|settings| settings.rate_limit = Some(limit))).await;
    let settings = house.get("/admin/rate-limit/settings").await.json();
    assert_eq!(settings, json!({"enabled": true, "defaultSettings": {"capacity": 2, "fillRate": 0}}));
    assert_eq!(house.get("/admin/rate-limit/settings/users/reader").await.status, 404, "none of its own");
    let answer = house.get("/users").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(answer.header("x-ausername"), Some("reader"));
    // Nobody has no bucket, and an exempt user needs none.
    assert_eq!(house.get_as(None, "/application-properties").await.status, 200);
    let exempt = bitbucket_simulator::Command::ExemptFromRateLimit { user: "reader".to_owned(), exempt: true };
    house.simulator.apply(exempt).unwrap();
    let own = house.get("/admin/rate-limit/settings/users/reader").await.json();
    assert_eq!((&own["whitelisted"], own.get("settings")), (&json!(true), None));
    assert_eq!(house.get("/admin/rate-limit/settings/users/other").await.exception().1, "AuthorisationException");
    for command in [
        bitbucket_simulator::Command::ExemptFromRateLimit { user: "reader".to_owned(), exempt: false },
        bitbucket_simulator::Command::UserRateLimit { user: "reader".to_owned(), settings: Some(RateLimit::default()) },
    ] {
        house.simulator.apply(command).unwrap();
    }
    // What is set for a user is shown, but does not count, while limiting is off.
    house.simulator.configure(|settings| settings.rate_limit = None);
    let settings = house.get("/admin/rate-limit/settings").await.json();
    assert_eq!(settings, json!({"enabled": false, "defaultSettings": {"capacity": 60, "fillRate": 5}}));
    let own = house.get("/admin/rate-limit/settings/users/reader").await.json();
    assert_eq!((&own["whitelisted"], &own["settings"]["capacity"]), (&json!(false), &json!(60)));
    house.simulator.configure(|settings| settings.version = "6.5.1".to_owned());
    assert_eq!(house.get("/admin/rate-limit/settings").await.status, 404, "before 6.6");
}

#[tokio::test]
async fn a_server_that_is_not_running_says_so() {
    let house = house_with(|builder| builder.context("bitbucket")).await;
    for (state, name, status, rest) in [
        (ServerState::Starting, "STARTING", 503, 503),
        (ServerState::Maintenance, "MAINTENANCE", 200, 503),
        (ServerState::FirstRun, "FIRST_RUN", 200, 200),
        (ServerState::Running, "RUNNING", 200, 200),
    ] {
        house.simulator.configure(|settings| settings.state = state);
        let answer = send(house.request("!/bitbucket/status")).await;
        assert_eq!((answer.status, answer.json()), (status, json!({"state": name})));
        assert_eq!(house.get("/users").await.status, rest, "{name}");
    }
}
