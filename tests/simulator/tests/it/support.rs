use std::time::Duration;

use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Builder, Simulator};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const API: &str = "/rest/api/1.0";

/// A server with `PLAT/api`, a line of twelve commits, and the user `reader`.
pub struct House {
    pub simulator: Simulator,
    pub git: GitRepository,
    pub directory: TempDir,
}

pub async fn house() -> House {
    house_with(|builder| builder).await
}

pub async fn house_with(change: impl FnOnce(Builder) -> Builder) -> House {
    let directory = tempfile::tempdir().unwrap();
    let git = GitRepository::create(directory.path().join("api.git")).unwrap();
    git.grow("main", 12).unwrap();
    let builder = Simulator::builder().user("reader", "se:hunter2").token("reader", "t0ken-hunter2");
    let simulator = change(builder.repository("PLAT/api", git.path())).start().await.unwrap();
    House { simulator, git, directory }
}

impl House {
    /// Asks as `reader`.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_as(Some(("reader", "se:hunter2")), path).await
    }

    pub async fn get_as(&self, login: Option<(&str, &str)>, path: &str) -> Answer {
        let request = self.request(path);
        send(match login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        })
        .await
    }

    pub async fn get_with_token(&self, token: &str, path: &str) -> Answer {
        send(self.request(path).bearer_auth(token)).await
    }

    /// A request below the REST root, or anywhere with a `!` in front.
    pub fn request(&self, path: &str) -> reqwest::RequestBuilder {
        let url = match path.strip_prefix('!') {
            Some(path) => format!("http://{}{path}", self.simulator.address()),
            None => format!("{}{API}{path}", self.simulator.url()),
        };
        client().get(url).header("Accept", "application/json")
    }

    /// The head of an answer in lower case, and its body as it is sent: a client unpacks it.
    pub async fn raw(&self, path: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.simulator.address()).await.unwrap();
        let request = format!("GET {API}{path} HTTP/1.0\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase(), answer[end + 4..].to_vec())
    }

    /// All values of a paged answer, read as the documentation says: by `nextPageStart`.
    pub async fn all(&self, path: &str, limit: usize) -> Vec<Value> {
        let mut values = Vec::new();
        let mut start = 0;
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{sign}start={start}&limit={limit}")).await.json();
            assert_eq!(page["start"], start);
            assert_eq!(page["size"], page["values"].as_array().unwrap().len());
            values.extend(page["values"].as_array().unwrap().clone());
            match page.get("nextPageStart") {
                Some(next) => start = usize::try_from(next.as_u64().unwrap()).unwrap(),
                None => return values,
            }
        }
    }

    pub async fn ids(&self, path: &str, limit: usize) -> Vec<String> {
        texts(&self.all(path, limit).await, "id")
    }

    /// Another repository, served as `name`.
    pub fn repository(&self, name: &str) -> GitRepository {
        let git = GitRepository::create(self.directory.path().join(name.replace('/', "-"))).unwrap();
        self.simulator.add_repository(bitbucket_simulator::NewRepository::at(name, git.path())).unwrap();
        git
    }
}

pub fn client() -> reqwest::Client {
    // Built together with the operator, reqwest has TLS without a provider, and makes no client before there is
    // one. Only the first test finds none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

pub async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.text().await.unwrap() }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The last part of the exception's name, and its message.
    pub fn error(&self) -> (u16, String, String) {
        let json = self.json();
        let error = &json["errors"][0];
        let exception = error["exceptionName"].as_str().unwrap_or_default();
        let short = exception.rsplit('.').next().unwrap_or_default();
        (self.status, short.to_owned(), error["message"].as_str().unwrap().to_owned())
    }

    pub fn exception(&self) -> (u16, String) {
        let (status, exception, _) = self.error();
        (status, exception)
    }

    /// One field of each value of a page.
    pub fn values(&self, field: &str) -> Vec<String> {
        texts(self.json()["values"].as_array().unwrap(), field)
    }
}

fn texts(values: &[Value], field: &str) -> Vec<String> {
    values.iter().map(|value| value[field].as_str().unwrap().to_owned()).collect()
}

/// Waits at most ten seconds.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it did not happen in time")
}
