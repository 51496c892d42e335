//! A thousand connections and ten thousand repositories are found by paging and by searching.

use std::fmt::Write;

use super::browser::{Browser, DESKTOP};
use super::scene::{EVERYTHING, Scene};
use crate::support::manifests::{connection, secret};
use crate::support::visitor::token;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_and_ten_thousand_repositories() {
    let scene = Scene::start("page-many").await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("zz-last", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("zz-last", "True", "Synced").await;
    let mut manifests = String::new();
    for number in 0..999 {
        let _ = writeln!(
            manifests,
            "{}",
            connection(&format!("c{number:03}"), &scene.simulator.url(), "s", ", suspend: true")
        );
    }
    scene.stage.apply(&manifests);
    // As a listing would have stored them; the server could serve as many, but git would take minutes to make them.
    let database = rusqlite::Connection::open(scene.stage.folder.path().join("commits.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_mins(1)).unwrap();
    database
        .execute_batch(
            "INSERT INTO bitbucket_server_repositories (source_id, project_id, source_url, name, slug, public, connection_id, instance_id, state)
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
             SELECT 1000000 + n, r.project_id, 'https://git.example.com/' || n, 'many', printf('many-%05d', n), FALSE, r.connection_id, r.instance_id, 'empty'
             FROM n, (SELECT * FROM bitbucket_server_repositories LIMIT 1) r;
             UPDATE bitbucket_server_repositories SET failure = 'Timeout: it took too long' WHERE slug = 'many-07777'",
        )
        .unwrap();
    let way = scene.way(&token(&scene.stage, "admin", &EVERYTHING).await).await;
    let browser = Browser::start(DESKTOP).await;
    browser.open(&way.url).await;
    assert!(browser.text().await.contains("1000 of 1000 connections"), "{}", browser.text().await);
    assert_eq!(browser.count("tbody tr").await, 50);
    browser.press("Next").await;
    assert!(browser.text().await.contains("Page 2 of 20") && browser.text().await.contains("c050"));
    browser.fill("q", "zz-l").await;
    browser.press("Show").await;
    browser.press("zz-last").await;
    let rows = async || browser.texts("#repositories ~ .wide tbody tr").await;
    let first = rows().await;
    assert!(first.len() == 50 && first[0].contains("many-07777") && first[0].contains("Timeout"), "{first:?}");
    assert!(browser.text().await.contains("10002 found of 10002"), "{}", browser.text().await);
    browser.press("Next").await;
    assert!(browser.text().await.contains("Page 2 of 201"));
    browser.fill("q", "many-0999").await;
    browser.press("Show").await;
    assert_eq!(rows().await.len(), 10);
    browser.picture("many.png").await;
}
