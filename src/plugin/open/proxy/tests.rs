use std::net::SocketAddr;
use std::sync::Mutex;

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use kube::Config;
use kube::config::AuthInfo;
use reqwest::RequestBuilder;
use reqwest::redirect::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::runtime::tls;

/// What has come to the server: the first line, the headers, the body.
type Seen = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

/// A proxy, and a browser that knows nothing by itself.
struct Scene {
    port: u16,
    way_in: String,
    browser: reqwest::Client,
}

impl Scene {
    async fn new(address: SocketAddr, silence: Duration) -> Self {
        tls::install();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut config = Config::new("http://127.0.0.1:1".parse().unwrap());
        config.auth_info = AuthInfo { token: Some("callers-own".to_owned().into()), ..AuthInfo::default() };
        let token = Token::own(&config).await.unwrap_or_else(|_| panic!("there is a token"));
        let guard = Guard::new(port).unwrap();
        let mut proxy = Proxy::new(guard, token, Way::Address(address), "/connections/team/a".to_owned());
        proxy.silence = silence;
        let way_in = proxy.url();
        tokio::spawn(axum::serve(listener, Arc::new(proxy).router()).into_future());
        let browser = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { port, way_in, browser }
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The cookie of a browser that was let in.
    async fn enter(&self) -> String {
        let entered = self.browser.get(&self.way_in).send().await.unwrap();
        assert_eq!(entered.status(), StatusCode::SEE_OTHER);
        entered.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    fn ask(&self, method: Method, path: &str, cookie: &str) -> RequestBuilder {
        self.browser.request(method, format!("{}{path}", self.origin())).header(COOKIE, cookie)
    }

    async fn told(&self, method: Method, path: &str, cookie: &str) -> (StatusCode, String) {
        let answer = self.ask(method, path, cookie).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        (answer.status(), answer.text().await.unwrap())
    }
}

/// A server that keeps what comes.
async fn server() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let keep = seen.clone();
    let answer = async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let length = body.len();
        let large =
            Body::from_stream(stream::repeat_with(|| Ok::<_, axum::BoxError>(Bytes::from(vec![b'a'; 1 << 20]))));
        let path = parts.uri.path().to_owned();
        keep.lock().unwrap().push((format!("{} {}", parts.method, parts.uri), parts.headers, body));
        let mut response = Response::new(match path.as_str() {
            "/endless" => large,
            "/large" => Body::from(vec![b'a'; MOST_ANSWERED + 1]),
            "/most" => Body::from(vec![b'a'; MOST_ANSWERED]),
            _ => Body::from(format!("{length} bytes")),
        });
        response.headers_mut().insert(SET_COOKIE, "theirs=1".parse().unwrap());
        response.headers_mut().insert("x-theirs", "1".parse().unwrap());
        *response.status_mut() = if path == "/standby" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        response
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    (address, seen)
}

#[tokio::test]
async fn a_browser_is_let_in_once_and_then_sees_the_page_as_the_caller() {
    let (address, seen) = server().await;
    let scene = Scene::new(address, SILENCE).await;
    let (status, text) = scene.told(Method::GET, "/", "").await;
    assert!(status == StatusCode::FORBIDDEN && text.contains("Open the URL"), "{status} {text}");
    let entered = scene.browser.get(&scene.way_in).send().await.unwrap();
    assert_eq!(
        (entered.status(), &entered.headers()[LOCATION]),
        (StatusCode::SEE_OTHER, &"/connections/team/a".parse().unwrap())
    );
    assert_eq!(
        (&entered.headers()["referrer-policy"], &entered.headers()["cache-control"]),
        (&"no-referrer".parse().unwrap(), &"no-store".parse().unwrap())
    );
    let cookie = entered.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with(&format!("kubectl-bitbucket-{}=", scene.port)), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let again = scene.browser.get(&scene.way_in).send().await.unwrap();
    assert_eq!((again.status(), again.headers().get(SET_COOKIE)), (StatusCode::FORBIDDEN, None));
    assert!(again.text().await.unwrap().contains("call it again"));
    assert!(seen.lock().unwrap().is_empty(), "nothing has come to the server");

    let cookie = cookie.split(';').next().unwrap();
    let page = scene.ask(Method::GET, "/connections/team/a?x=%20y", cookie).header(AUTHORIZATION, "Basic YTpi");
    let page = page.header("x-forwarded-for", "10.0.0.1").send().await.unwrap();
    assert_eq!((page.status(), page.headers().get(SET_COOKIE)), (StatusCode::OK, None));
    assert_eq!(page.headers()["x-theirs"], "1");
    assert_eq!(page.text().await.unwrap(), "0 bytes");
    let (line, headers, _) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(line, "GET /connections/team/a?x=%20y");
    assert_eq!(headers.get_all(AUTHORIZATION).iter().collect::<Vec<_>>(), ["Bearer callers-own"]);
    assert_eq!(headers[HOST], format!("127.0.0.1:{}", scene.port));
    assert!(!headers.contains_key(COOKIE) && !headers.contains_key("x-forwarded-for"), "{headers:?}");
    assert_eq!(
        scene.ask(Method::GET, "/standby", cookie).send().await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn where_another_page_has_led_to_the_way_in_a_page_leads_on() {
    let scene = Scene::new(server().await.0, SILENCE).await;
    let entered = scene.browser.get(&scene.way_in).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!((entered.status(), entered.headers().get(LOCATION)), (StatusCode::OK, None));
    assert!(entered.headers().contains_key(SET_COOKIE));
    assert!(entered.text().await.unwrap().contains("content=\"0;url=/connections/team/a\""));
}

#[tokio::test]
async fn what_is_sent_comes_from_its_own_pages_and_has_bounds() {
    let (address, seen) = server().await;
    let scene = Scene::new(address, SILENCE).await;
    let cookie = scene.enter().await;
    let (status, text) = scene.told(Method::POST, "/a", &cookie).await;
    assert!(status == StatusCode::FORBIDDEN && text.contains("Another page"), "{status} {text}");
    let send =
        |body: Vec<u8>| scene.ask(Method::POST, "/a", &cookie).header("origin", scene.origin()).body(body).send();
    let large = send(vec![b'a'; MOST_SENT + 1]).await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.text().await.unwrap().contains("1 MiB"));
    assert!(seen.lock().unwrap().is_empty());
    let most = send(vec![b'a'; MOST_SENT]).await.unwrap();
    assert_eq!(most.text().await.unwrap(), format!("{MOST_SENT} bytes"));
    let (line, headers, body) = seen.lock().unwrap().pop().unwrap();
    assert_eq!((line.as_str(), body.len()), ("POST /a", MOST_SENT));
    assert_eq!(headers["origin"], scene.origin());
}

#[tokio::test]
async fn an_answer_has_bounds() {
    let scene = Scene::new(server().await.0, SILENCE).await;
    let cookie = scene.enter().await;
    let (status, text) = scene.told(Method::GET, "/large", &cookie).await;
    assert!(status == StatusCode::BAD_GATEWAY && text.contains("16 MiB"), "{status} {text}");
    let most = scene.ask(Method::GET, "/most", &cookie).send().await.unwrap();
    assert_eq!(most.bytes().await.unwrap().len(), MOST_ANSWERED);
    let mut endless = scene.ask(Method::GET, "/endless", &cookie).send().await.unwrap();
    let mut length = 0;
    let end = loop {
        match endless.chunk().await {
            Ok(Some(piece)) => length += piece.len(),
            end => break end,
        }
    };
    assert!(end.is_err() && length <= MOST_ANSWERED, "{length}");
}

#[tokio::test]
async fn a_server_that_is_not_there_or_says_nothing_is_told() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let scene = Scene::new(gone, SILENCE).await;
    let cookie = scene.enter().await;
    let (status, text) = scene.told(Method::GET, "/", &cookie).await;
    assert!(
        status == StatusCode::BAD_GATEWAY && text.contains("nothing answers at") && text.contains("Reload"),
        "{text}"
    );

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scene = Scene::new(silent.local_addr().unwrap(), Duration::from_millis(200)).await;
    let cookie = scene.enter().await;
    let (status, text) = scene.told(Method::GET, "/", &cookie).await;
    assert!(status == StatusCode::GATEWAY_TIMEOUT && text.contains("may have been done"), "{status} {text}");

    // One that stops within an answer, and one that ends without any.
    let begun = raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbegun", false).await;
    let scene = Scene::new(begun, Duration::from_millis(200)).await;
    let cookie = scene.enter().await;
    assert!(scene.ask(Method::GET, "/", &cookie).send().await.unwrap().bytes().await.is_err());
    let scene = Scene::new(raw("", true).await, SILENCE).await;
    let cookie = scene.enter().await;
    let (status, text) = scene.told(Method::GET, "/", &cookie).await;
    assert!(status == StatusCode::BAD_GATEWAY && text.contains("has not answered"), "{status} {text}");
}

#[tokio::test]
async fn a_connection_that_broke_is_replaced() {
    let address = raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true).await;
    let scene = Scene::new(address, SILENCE).await;
    let cookie = scene.enter().await;
    for _ in 0..20 {
        assert_eq!(scene.ask(Method::GET, "/", &cookie).send().await.unwrap().status(), StatusCode::OK);
        // The end is noticed when it comes.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_that_proves_to_be_broken_is_replaced_where_nothing_is_done_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                count.send_modify(|count| *count += 1);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                // It ends with the next request, which it does not answer.
                let _ = stream.read(&mut [0; 4096]).await;
                count.send_modify(|count| *count += 1);
            });
        }
    });
    let scene = Scene::new(address, SILENCE).await;
    let cookie = scene.enter().await;
    let get = async || scene.ask(Method::GET, "/", &cookie).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(get().await, "ok");
    assert_eq!(get().await, "ok");
    assert_eq!(*counted.borrow(), 3, "the second one was asked twice");
    assert_eq!(get().await, "ok");
    let post = scene.ask(Method::POST, "/", &cookie).header("origin", scene.origin()).send().await.unwrap();
    assert_eq!((post.status(), *counted.borrow()), (StatusCode::BAD_GATEWAY, 5));
    assert!(post.text().await.unwrap().contains("may have been done"));
}

#[tokio::test(start_paused = true)]
async fn connecting_does_not_take_for_ever() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    let connecting =
        tower::ServiceExt::oneshot(Connector(Arc::new(Way::Address(address))), Uri::from_static("http://operator-0/"));
    assert!(matches!(timeout(SILENCE, connecting).await.unwrap(), Err(Error::Late)));
}

/// A server that answers each request with this text, and closes the connection afterwards, unannounced, or does nothing more.
async fn raw(text: &'static str, closes: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(text.as_bytes()).await;
                if !closes {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    address
}
