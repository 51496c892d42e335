use axum::http::HeaderValue;

use super::*;

const OWN: (&str, &str) = ("host", "127.0.0.1:4242");
const ORIGIN_OWN: (&str, &str) = ("origin", "http://127.0.0.1:4242");

fn guard() -> Guard {
    Guard::new(4242).unwrap()
}

fn judge(guard: &Guard, method: &Method, uri: &str, pairs: &[(&str, &str)]) -> Result<Passage, Refusal> {
    let pairs =
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    guard.judge(method, &uri.parse().unwrap(), &headers)
}

/// The same from the browser that was let in, with a cookie of somebody else's beside its own.
fn inside(guard: &Guard, method: &Method, pairs: &[(&str, &str)]) -> Result<Passage, Refusal> {
    let cookie = guard.set_cookie();
    let cookie = format!("theme=dark; {}; other", cookie.split(';').next().unwrap());
    judge(guard, method, "/connections/a/b?c=d", &[pairs, &[("cookie", &cookie)]].concat())
}

#[test]
fn only_its_own_two_names_are_answered() {
    let guard = guard();
    for good in ["127.0.0.1:4242", "localhost:4242"] {
        assert_eq!(inside(&guard, &Method::GET, &[("host", good)]), Ok(Passage::Forward), "{good}");
    }
    let names = [
        "example.com",
        "127.0.0.1",
        "127.0.0.1:4243",
        "localhost",
        "localhost.:4242",
        "[::1]:4242",
        "a127.0.0.1:4242",
        "",
    ];
    for bad in names {
        assert_eq!(inside(&guard, &Method::GET, &[("host", bad)]), Err(Refusal::Host), "{bad}");
    }
    assert_eq!(inside(&guard, &Method::GET, &[]), Err(Refusal::Host));
    assert_eq!(inside(&guard, &Method::GET, &[OWN, ("host", "example.com")]), Err(Refusal::Host));
    assert_eq!(judge(&guard, &Method::GET, "http://127.0.0.1:4242/", &[OWN]), Err(Refusal::Host));
    let path = guard.url().replace("http://127.0.0.1:4242", "");
    assert_eq!(judge(&guard, &Method::GET, &path, &[("host", "example.com:4242")]), Err(Refusal::Host));
    assert_eq!(Refusal::Host.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[test]
fn whatever_changes_something_must_come_from_its_own_pages() {
    let guard = guard();
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        for good in ["http://127.0.0.1:4242", "http://localhost:4242"] {
            assert_eq!(inside(&guard, &method, &[OWN, ("origin", good)]), Ok(Passage::Forward), "{good}");
        }
        let origins =
            ["null", "http://127.0.0.1:4243", "https://127.0.0.1:4242", "http://127.0.0.1:4242/", "127.0.0.1:4242", ""];
        for bad in origins {
            assert_eq!(inside(&guard, &method, &[OWN, ("origin", bad)]), Err(Refusal::Site), "{method} {bad}");
        }
        assert_eq!(inside(&guard, &method, &[OWN]), Err(Refusal::Site), "{method}");
        assert_eq!(inside(&guard, &method, &[OWN, ORIGIN_OWN, ("origin", "http://example.com")]), Err(Refusal::Site));
        assert_eq!(judge(&guard, &method, "/", &[OWN, ORIGIN_OWN]), Err(Refusal::Stranger), "{method}");
    }
    assert_eq!(inside(&guard, &Method::HEAD, &[OWN]), Ok(Passage::Forward));
}

#[test]
fn what_a_browser_says_of_another_site_is_believed() {
    let guard = guard();
    for (site, may) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("", false)]
    {
        let expected = if may { Ok(Passage::Forward) } else { Err(Refusal::Site) };
        for method in [Method::GET, Method::HEAD, Method::POST] {
            assert_eq!(
                inside(&guard, &method, &[OWN, ORIGIN_OWN, ("sec-fetch-site", site)]),
                expected,
                "{method} {site}"
            );
        }
    }
}

#[test]
fn the_way_in_is_there_once() {
    let guard = guard();
    let path = guard.url().strip_prefix("http://127.0.0.1:4242").unwrap().to_owned();
    assert!(path.len() == "/enter/".len() + 64, "{path}");
    // Neither of these uses it up.
    for other in [
        format!("{path}0"),
        path[..path.len() - 1].to_owned(),
        "/enter/".to_owned(),
        "/enter".to_owned(),
        "/".to_owned(),
    ] {
        assert_eq!(judge(&guard, &Method::GET, &other, &[OWN]), Err(Refusal::Stranger), "{other}");
    }
    assert_eq!(judge(&guard, &Method::HEAD, &path, &[OWN]), Err(Refusal::Stranger));
    assert_eq!(judge(&guard, &Method::POST, &path, &[OWN, ORIGIN_OWN]), Err(Refusal::Stranger));
    assert_eq!(judge(&guard, &Method::GET, &path, &[OWN]), Ok(Passage::Enter { from_elsewhere: false }));
    for _ in 0..2 {
        assert_eq!(judge(&guard, &Method::GET, &path, &[OWN]), Err(Refusal::Used));
    }
    assert_eq!(Refusal::Used.status(), StatusCode::FORBIDDEN);
    let site = ("sec-fetch-site", "cross-site");
    let other = self::guard();
    let path = other.url().replace("http://127.0.0.1:4242", "");
    assert_eq!(judge(&other, &Method::GET, &path, &[OWN, site]), Ok(Passage::Enter { from_elsewhere: true }));
}

#[test]
fn only_the_right_cookie_is_let_through() {
    let guard = guard();
    let whole = guard.set_cookie();
    let (pair, rest) = whole.split_once("; ").unwrap();
    assert_eq!(rest, "HttpOnly; SameSite=Strict; Path=/");
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!((name, value.len()), ("kubectl-bitbucket-4242", 64));
    let key = guard.url().rsplit('/').next().unwrap().to_owned();
    assert_ne!(key, value, "who sees the URL has no cookie");
    let with = |cookie: &str| judge(&guard, &Method::GET, "/", &[OWN, ("cookie", cookie)]);
    assert_eq!(with(pair), Ok(Passage::Forward));
    let another = self::guard().set_cookie();
    for cookie in [
        "",
        name,
        &format!("{name}="),
        &format!("{name}={}", &value[..63]),
        &format!("{name}={value}0"),
        &format!("{name}={key}"),
        &format!("kubectl-bitbucket-4243={value}"),
        another.split(';').next().unwrap(),
    ] {
        assert_eq!(with(cookie), Err(Refusal::Stranger), "{cookie}");
    }
    assert_eq!(judge(&guard, &Method::GET, "/", &[OWN]), Err(Refusal::Stranger));
    // Browsers may send several headers.
    assert_eq!(judge(&guard, &Method::GET, "/", &[OWN, ("cookie", "a=b"), ("cookie", pair)]), Ok(Passage::Forward));
}
