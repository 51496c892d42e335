//! What is read from the headers of an answer.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use url::Url;

/// What a server asks for beyond this is not believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The account that an answer names (X-AUSERNAME), if it names one. Whatever its bytes are: an odd name is not nobody's.
pub(super) fn username(headers: &HeaderMap) -> Option<String> {
    let name = String::from_utf8_lossy(headers.get("x-ausername")?.as_bytes());
    let name = name.trim();
    (!name.is_empty() && name != "anonymous").then(|| name.to_owned())
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("json"))
}

/// How long the server wants to be left alone. Bitbucket sends seconds, a proxy may send a date. Capped: the
/// number is the server's, and a clock that is added to it must not overflow.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are long in any case.
        text.parse().map_or(LONGEST_RETRY_AFTER, Duration::from_secs)
    } else {
        let date = DateTimeParser::new().parse_timestamp(text).ok()?;
        // A date that has passed says: now.
        Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Where a redirect leads to the same on the same host, but by https: at which port. Everything else is
/// another place.
pub(super) fn port_of_https(from: &Url, to: &HeaderValue) -> Option<u16> {
    let to = Url::parse(to.to_str().ok()?).ok()?;
    let same = from.scheme() == "http" && from.host() == to.host() && from.path() == to.path();
    let bare = to.username().is_empty() && to.password().is_none();
    (same && bare && to.scheme() == "https").then(|| to.port_or_known_default()).flatten()
}

/// Which repository of the same server a redirect leads to: project and name, for whoever wants to ask for it there.
pub(super) fn repository(from: &Url, to: &HeaderValue) -> Option<(String, String)> {
    let to = from.join(to.to_str().ok()?).ok()?;
    let inside =
        |url: &Url| url.path().split_once("/rest/api/").map(|(context, rest)| (context.to_owned(), rest.to_owned()));
    let ((here, _), (there, rest)) = (inside(from)?, inside(&to)?);
    let mut segments = rest.split('/').skip(1);
    let names = match [(); 4].map(|()| segments.next()) {
        [Some("projects"), Some(project), Some("repos"), Some(slug)] => (project.to_owned(), slug.to_owned()),
        _ => return None,
    };
    let plain = |name: &str| !name.is_empty() && !name.contains('%');
    let same = from.origin() == to.origin() && here == there;
    (same && plain(&names.0) && plain(&names.1)).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_no_name() {
        let mut headers = HeaderMap::new();
        assert_eq!(username(&headers), None);
        headers.insert("X-AUSERNAME", "anonymous".parse().unwrap());
        assert_eq!(username(&headers), None);
        headers.insert("X-AUSERNAME", "svc".parse().unwrap());
        assert_eq!(username(&headers).as_deref(), Some("svc"));
        for (bytes, name) in [(&b"m\xc3\xbcller"[..], "müller"), (b"m\xfcller", "m\u{FFFD}ller")] {
            headers.insert("X-AUSERNAME", HeaderValue::from_bytes(bytes).unwrap());
            assert_eq!(username(&headers).as_deref(), Some(name));
        }
    }

    #[test]
    fn json_is_whatever_is_called_so() {
        let mut headers = HeaderMap::new();
        assert!(!is_json(&headers));
        for (kind, json) in
            [("application/json;charset=UTF-8", true), ("application/problem+json", true), ("text/html", false)]
        {
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(is_json(&headers), json, "{kind}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_an_hour() {
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        let hour = Duration::from_hours(1);
        for (text, expected) in [
            ("5", Some(Duration::from_secs(5))),
            (" 0 ", Some(Duration::ZERO)),
            ("18446744073709551615", Some(hour)),
            ("99999999999999999999999999", Some(hour)),
            ("Tue, 31 Dec 2999 23:59:59 GMT", Some(hour)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(Duration::ZERO)),
            ("", None),
            ("-5", None),
            ("soon", None),
        ] {
            assert_eq!(asked(text), expected, "{text}");
        }
        let soon = Timestamp::now() + Duration::from_mins(10);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
        let wait = asked(&date).unwrap();
        assert!(wait > Duration::from_mins(9) && wait <= Duration::from_mins(10), "{date}: {wait:?}");
    }

    #[test]
    fn a_repository_is_only_one_of_the_same_server() {
        let from =
            Url::parse("https://git.example.com/b/rest/api/1.0/projects/PLAT/repos/api/commits?start=0").unwrap();
        let leads = |to: &str| repository(&from, &to.parse().unwrap());
        let names = |project: &str, slug: &str| Some((project.to_owned(), slug.to_owned()));
        let there = "/b/rest/api/1.0/projects/~jdoe/repos/a.b-c";
        for same in [there, &format!("https://git.example.com{there}"), &format!("{there}/commits?start=0")] {
            assert_eq!(leads(same), names("~jdoe", "a.b-c"), "{same}");
        }
        assert_eq!(leads("/b/rest/api/latest/projects/X/repos/y"), names("X", "y"));
        for elsewhere in [
            "https://git.example.org/b/rest/api/1.0/projects/X/repos/y",
            "http://git.example.com/b/rest/api/1.0/projects/X/repos/y",
            "/c/rest/api/1.0/projects/X/repos/y",
            "/b/rest/api/1.0/projects/X",
            "/b/rest/api/1.0/projects/X/repos/",
            "/b/rest/api/1.0/projects//repos/y",
            "/b/rest/api/1.0/projects/X/repos/a%2Fb",
            "/b/rest/api/1.0/projects/a%2Fb/repos/y",
            "/b/rest/api/1.0/users/X/repos/y",
            "/b/rest/api/1.0/projects/X/settings/y",
            "/b/projects/X/repos/y",
            "/login?next=/b/rest/api/1.0/projects/X/repos/y",
            "//[",
        ] {
            assert_eq!(leads(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn only_the_same_by_https_is_the_same() {
        let port = |from: &str, to: &str| port_of_https(&Url::parse(from).unwrap(), &to.parse().unwrap());
        let from = "http://git.example.com:7990/b/rest";
        assert_eq!(port(from, "https://git.example.com:8443/b/rest"), Some(8443));
        assert_eq!(port(from, "https://GIT.example.com/b/rest"), Some(443));
        for elsewhere in [
            "https://other.example.com/b/rest",
            "https://git.example.com.evil.net/b/rest",
            "https://git.example.com/login?next=/b/rest",
            "https://u@git.example.com/b/rest",
            "https://:p@git.example.com/b/rest",
            "http://git.example.com/b/rest",
            "/b/rest",
            "//git.example.com/b/rest",
        ] {
            assert_eq!(port(from, elsewhere), None, "{elsewhere}");
        }
        assert_eq!(port("https://git.example.com/b/rest", "https://git.example.com:8443/b/rest"), None);
    }
}
