//! The page, in a real browser, by the way that people come in.

mod browser;
mod many;
mod rights;
mod scene;
mod several;

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_simulator::{Action, Fault, Hold};
use kube::ResourceExt;

use self::browser::{Browser, DARK, DESKTOP, PHONE};
use self::scene::{EVERYTHING, Scene};
use crate::support::manifests::{connection, secret};
use crate::support::until;
use crate::support::visitor::token;

/// A synced connection, one with a wrong password, and one that leaves a repository behind.
async fn furnished(theme: &str) -> Scene {
    let scene = Scene::start(theme).await;
    scene.stage.apply(&secret("good", "reader", "hunter2"));
    scene.stage.apply(&connection("good", &scene.simulator.url(), "good", ""));
    scene.stage.until_ready("good", "True", "Synced").await;
    scene.stage.apply(&secret("wrong", "second", "wrong-hunter2"));
    scene.stage.apply(&connection("wrong", &scene.simulator.url(), "wrong", ""));
    scene.stage.until_ready("wrong", "False", "invalid_credentials").await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_shown_with_what_is_wrong_and_what_to_do() {
    let scene = furnished("page-look").await;
    let way = scene.way(&token(&scene.stage, "admin", &EVERYTHING).await).await;
    let browser = Browser::start(DESKTOP).await;
    browser.open(&way.url).await;
    assert_eq!(browser.path().await, format!("/?namespace={}", scene.stage.namespace));
    let rows = browser.texts("tbody tr").await;
    assert!(
        rows[0].contains("wrong") && rows[0].contains("Failing") && rows[0].contains("invalid_credentials"),
        "{rows:?}"
    );
    assert!(rows[1].contains("good") && rows[1].contains("Ready") && rows[1].contains("47"), "{rows:?}");
    browser.picture("list.png").await;
    browser.press("wrong").await;
    let text = browser.text().await;
    assert!(text.contains("wrong password") && text.contains("Nothing is stored yet"), "{text}");
    browser.press("The same requests by hand").await;
    assert!(browser.text().await.contains("curl -i -u YOUR_USERNAME:YOUR_PASSWORD"));
    browser.picture("failing.png").await;
    browser.visit(&format!("/connections/{}/good", scene.stage.namespace)).await;
    let text = browser.text().await;
    for part in [
        "Every repository's commits are complete",
        "Initial",
        "PLAT/api",
        "PLAT/web",
        "complete",
        "Commits per week",
        "reader",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(browser.count("svg.chart rect").await, 26);
    browser.picture("connection.png").await;
    browser.fill("q", "WEB").await;
    browser.press("Show").await;
    assert!(
        browser.text().await.contains("1 found of 2") && browser.count("#repositories ~ .wide tbody tr").await == 1
    );
    let revoked = "apiVersion: v1\nkind: Secret\nmetadata: {name: revoked}\nstringData: {token: tok-hunter2}\n---\n";
    scene.stage.apply(revoked);
    scene.stage.apply(&connection("revoked", &scene.simulator.url(), "revoked", ""));
    scene.stage.until_ready("revoked", "False", "invalid_credentials").await;
    browser.visit(&format!("/connections/{}/revoked", scene.stage.namespace)).await;
    browser.press("The same requests by hand").await;
    let text = browser.text().await;
    assert!(text.contains("Bearer YOUR_TOKEN") && !text.contains("YOUR_PASSWORD"), "{text}");
    assert!(text.contains("put in the account's token"), "{text}");
    let uri = "apiVersion: v1\nkind: Secret\nmetadata: {name: uri}\nstringData: {uri: \"postgres://app:hunter2@127.0.0.1:1/app\"}\n---\n";
    scene.stage.apply(uri);
    let to = ", destination: {secretRef: {name: uri}}";
    scene.stage.apply(&connection("closed", &scene.simulator.url(), "good", to));
    scene.stage.until_ready("closed", "False", "DestinationUnavailable").await;
    browser.visit(&format!("/connections/{}/closed", scene.stage.namespace)).await;
    assert!(browser.text().await.contains("The database cannot be read: "), "{}", browser.text().await);
    browser.visit("/connections/nowhere/at-all").await;
    assert!(browser.title().await.starts_with("Kubernetes does not let you"), "{}", browser.title().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_used_in_the_dark_on_a_phone_and_by_the_keyboard() {
    let scene = furnished("page-looks").await;
    let token = token(&scene.stage, "admin", &EVERYTHING).await;
    for look in [DARK, PHONE] {
        let way = scene.way(&token).await;
        let browser = Browser::start(look).await;
        browser.open(&way.url).await;
        for path in [
            "/new".to_owned(),
            format!("/connections/{}/good", scene.stage.namespace),
            format!("/connections/{}/wrong", scene.stage.namespace),
        ] {
            assert!(!browser.scrolls_sideways().await, "{look:?} {}", browser.path().await);
            browser.visit(&path).await;
        }
        assert!(!browser.scrolls_sideways().await, "{look:?} {}", browser.path().await);
        browser.visit("/new").await;
        let stops = browser.tab_stops(8).await;
        assert_eq!(stops[..3], ["Skip to the content", "bitbucket-connector", "Connections"], "{stops:?}");
        assert_eq!(stops[3..8], ["namespace", "name", "url", "username", "password"], "{stops:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_asked_for_and_followed() {
    let scene = furnished("page-run").await;
    let way = scene.way(&token(&scene.stage, "admin", &EVERYTHING).await).await;
    let browser = Browser::start(DESKTOP).await;
    browser.open(&way.url).await;
    browser.press("good").await;
    scene.simulator.faults().push(
        Fault::on_path("/repos/web", Action::Status { status: 500, headers: vec![], body: String::new() }).times(40),
    );
    browser.press("Verify and sync now").await;
    assert!(browser.text().await.contains("It is asked for"), "{}", browser.text().await);
    assert!(browser.told().await.starts_with("It is asked for"), "{}", browser.told().await);
    // Without anybody's doing.
    browser.until_text("Left behind by the last run").await;
    browser.until_text("PLAT/web").await;
    let text = browser.text().await;
    assert!(text.contains("Incomplete") && text.contains("Requested"), "{text}");
    browser.picture("incomplete.png").await;
    browser.press("Suspend").await;
    browser.until_text("Suspended").await;
    assert!(scene.stage.objects.get("good").await.unwrap().spec.suspend);
    browser.press("Resume").await;
    assert!(!scene.stage.objects.get("good").await.unwrap().spec.suspend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_is_shown_and_its_end_is_told() {
    let scene = Scene::start("page-underway").await;
    let hold = Hold::new();
    scene.simulator.faults().push(Fault::on_path("/repos/web", Action::Hold(hold.clone())));
    scene.stage.apply(&secret("good", "reader", "hunter2"));
    // What is held is waited for.
    scene.stage.apply(&connection("good", &scene.simulator.url(), "good", ", timeout: 5m"));
    until("one repository is waited for", async || hold.arrived() > 0).await;
    let listed = |object: &BitbucketConnection| {
        let progress = object.status.as_ref().and_then(|status| status.progress);
        progress.is_some_and(|progress| progress.repositories_total == 2)
    };
    scene.stage.until("good", "how far the run is", listed).await;
    let way = scene.way(&token(&scene.stage, "admin", &EVERYTHING).await).await;
    let browser = Browser::start(DESKTOP).await;
    browser.open(&way.url).await;
    let row = browser.texts("tbody tr").await.remove(0);
    assert!(row.contains("running: ") && row.contains(" of 2 repositories"), "{row}");
    browser.press("good").await;
    let text = browser.text().await;
    assert!(text.contains("A sync run is under way") && text.contains(" of 2 repositories"), "{text}");
    assert_eq!((browser.count("progress[max='2']").await, browser.told().await), (1, String::new()));
    hold.release();
    browser.until_text("Every repository's commits are complete").await;
    let (text, told) = (browser.text().await, browser.told().await);
    assert!(!text.contains("A sync run is under way") && browser.count("progress").await == 0, "{text}");
    assert!(told.starts_with("Ready. Synced Every repository's commits are complete"), "{told}");
    assert!(!told.contains("PLAT/web"), "no more than what has changed: {told}");
    browser.assert_good().await;
    let next = browser.texts("dl > div").await.into_iter().find(|fact| fact.starts_with("Next run")).unwrap();
    assert!(next.contains("(in "), "{next}");
    browser.press("Connections").await;
    let row = browser.texts("tbody tr").await.remove(0);
    assert!(!row.contains("running: ") && row.contains("in "), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_stored_only_if_its_credentials_are_good() {
    let scene = Scene::start("page-new").await;
    let way = scene.way(&token(&scene.stage, "admin", &EVERYTHING).await).await;
    let browser = Browser::start(DESKTOP).await;
    browser.open(&way.url).await;
    assert!(browser.text().await.contains("There is no connection here yet"));
    browser.press("+ Connection").await;
    browser.fill("name", "team-commits").await;
    browser.fill("url", &scene.simulator.url()).await;
    browser.fill("username", "reader").await;
    browser.fill("password", "wrong-hunter2").await;
    browser.press("Verify and store").await;
    let text = browser.text().await;
    assert!(text.contains("invalid_credentials") && text.contains("Nothing is stored"), "{text}");
    browser.picture("refused.png").await;
    assert_eq!(scene.stage.kubectl(&["get", "secret,bbc", "-o", "name"]).trim(), "");
    browser.fill("password", "hunter2").await;
    browser.press("Verify and store").await;
    assert!(
        browser.path().await.ends_with("/team-commits?said=created"),
        "{} {}",
        browser.path().await,
        browser.text().await
    );
    browser.until_text("Every repository's commits are complete").await;
    let object = scene.stage.objects.get("team-commits").await.unwrap();
    let managers: Vec<_> = object.managed_fields().iter().filter_map(|one| one.manager.clone()).collect();
    assert!(managers.contains(&"bitbucket-connector-page".to_owned()), "{managers:?}");
}
