//! A real Chromium without a window, driven by its own ChromeDriver (<https://www.w3.org/TR/webdriver2/>).

use std::cell::Cell;
use std::path::PathBuf;
use std::process::Stdio;

use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::{ParseError, Url};

use crate::support::visitor::cached;
use crate::support::{until, within};

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

pub const DESKTOP: Look = Look { width: 1280, height: 900, dark: false };
pub const DARK: Look = Look { dark: true, ..DESKTOP };
pub const PHONE: Look = Look { width: 390, height: 800, dark: false };

pub struct Browser {
    client: Client,
    _driver: Child,
    _profile: TempDir,
}

/// What the browser has logged since it was asked last (ChromeDriver's own command).
#[derive(Debug)]
struct Log;

impl WebDriverCompatibleCommand for Log {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({"type": "browser"}).to_string()))
    }
}

impl Browser {
    pub async fn start(look: Look) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            // What a browser leaves that is killed goes with it.
            .env("TMPDIR", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed, see tests/ensure-tools.sh");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = within("chromedriver", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("chromedriver says its port");
                if let Some(port) = line.split("successfully on port ").nth(1) {
                    break port.trim_end_matches('.').to_owned();
                }
            }
        })
        .await;
        let mut arguments = vec![
            "--headless=new".to_owned(),
            // As root, and where containers have little shared memory.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-proxy-server".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--window-size={},{}", look.width, look.height),
        ];
        if look.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let mut options = json!({"args": arguments, "binary": "/usr/bin/chromium"});
        if look.width < 500 {
            options["mobileEmulation"] =
                json!({"deviceMetrics": {"width": look.width, "height": look.height, "pixelRatio": 1.0}});
        }
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let session = format!("http://127.0.0.1:{port}");
        let client = within("a session", builder.connect(&session)).await.unwrap();
        // So that nobody waits for what is said further on.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { client, _driver: driver, _profile: profile }
    }

    /// Opens an address, and looks whether everybody can use what is there.
    pub async fn open(&self, url: &str) {
        within("the page", self.client.goto(url)).await.unwrap();
        self.assert_good().await;
    }

    /// The same of a page of the server that is open already.
    pub async fn visit(&self, path: &str) {
        let url = self.client.current_url().await.unwrap().join(path).unwrap();
        self.open(url.as_str()).await;
    }

    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    pub async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    /// The text of the content, as it is shown.
    pub async fn text(&self) -> String {
        self.client.find(Locator::Id("main")).await.unwrap().text().await.unwrap()
    }

    /// Waits until the content says this.
    pub async fn until_text(&self, text: &str) {
        until(text, async || {
            let main = self.client.find(Locator::Id("main")).await;
            let Ok(main) = main else { return false };
            // The script may put another content in its place meanwhile.
            main.text().await.is_ok_and(|shown| shown.contains(text))
        })
        .await;
    }

    /// What a screen reader was told last.
    pub async fn told(&self) -> String {
        let told = "return document.querySelector('body > [role=status]').textContent";
        self.client.execute(told, vec![]).await.unwrap().as_str().unwrap().to_owned()
    }

    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    pub async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await.unwrap() {
            texts.push(element.text().await.unwrap());
        }
        texts
    }

    pub async fn fill(&self, name: &str, text: &str) {
        let field = self.client.find(Locator::Css(&format!("[name={name}]"))).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Activates the button or link with this text by the keyboard, and looks at what comes.
    pub async fn press(&self, text: &str) {
        let path = format!("//*[self::button or self::a or self::summary][normalize-space()='{text}']");
        let leaves = Cell::new(true);
        until(text, async || {
            // The script may put another content in its place meanwhile.
            let Ok(element) = self.client.find(Locator::XPath(&path)).await else { return false };
            let Ok(tag) = element.tag_name().await else { return false };
            leaves.set(tag != "summary");
            self.client.execute("document.left = true", vec![]).await.unwrap();
            element.send_keys(&Key::Enter.to_string()).await.is_ok()
        })
        .await;
        let gone = "return !document.left";
        until("another page", async || {
            !leaves.get() || self.client.execute(gone, vec![]).await.is_ok_and(|gone| gone == json!(true))
        })
        .await;
        self.assert_good().await;
    }

    /// Whether something is wider than the window.
    pub async fn scrolls_sideways(&self) -> bool {
        let wide = "const root = document.documentElement; return root.scrollWidth > root.clientWidth";
        self.client.execute(wide, vec![]).await.unwrap() == json!(true)
    }

    /// The elements that the tabulator reaches, in their order.
    pub async fn tab_stops(&self, most: usize) -> Vec<String> {
        let mut stops = Vec::new();
        for _ in 0..most {
            let active = "const at = document.activeElement; return (at.innerText || at.name || at.tagName).trim()";
            self.client.active_element().await.unwrap().send_keys(&Key::Tab.to_string()).await.unwrap();
            stops.push(self.client.execute(active, vec![]).await.unwrap().as_str().unwrap().to_owned());
        }
        stops
    }

    /// Nothing on the console, and nothing that axe finds.
    pub async fn assert_good(&self) {
        let ready = "return document.readyState === 'complete'";
        until("the page is there", async || {
            self.client.execute(ready, vec![]).await.is_ok_and(|ready| ready == json!(true))
        })
        .await;
        self.client.execute(&std::fs::read_to_string(axe()).unwrap(), vec![]).await.unwrap();
        let run = "const done = arguments[arguments.length - 1]; axe.run(document, {resultTypes: ['violations']})
            .then(found => done(found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | '))),
                  error => done(['axe: ' + error]))";
        let found = within("axe", self.client.execute_async(run, vec![])).await.unwrap();
        assert_eq!(found, json!([]), "{}", self.path().await);
        // The answer to a form that cannot be taken is a 4xx, and Chromium logs that by itself.
        let logged = self.client.issue_cmd(Log).await.unwrap();
        let expected = |text: &str| text.contains("the server responded with a status of 4");
        let logged = logged.as_array().unwrap().iter().filter_map(|one| one["message"].as_str());
        let logged: Vec<_> = logged.filter(|text| !expected(text)).collect();
        assert!(logged.is_empty(), "{}: {logged:?}", self.path().await);
    }

    /// Where the README's pictures are made.
    pub async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("PAGE_PICTURES") else { return };
        let png = self.client.screenshot().await.unwrap();
        std::fs::write(PathBuf::from(folder).join(name), png).unwrap();
    }
}

/// As tests/ensure-tools.sh has fetched it.
fn axe() -> PathBuf {
    cached("axe-core-4.14.1/axe.min.js")
}
