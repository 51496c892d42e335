//! Whatever is written as a url, credentials go to one origin, and no name leads away from its place.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use url::Url;

use super::url::BaseUrl;

const SCHEMES: &[&str] =
    &["https://", "http://", "HTTPS:", "https:\\\\", "https:/", "ftp://", "data:", "//", "", " https://"];
const USERS: &[&str] = &["@", "hunter2@", "u:hunter2@", ":hunter2@", "u:hunter2@evil@"];
const HOSTS: &[&str] = &[
    "git.example.com",
    "GIT.example.com.",
    "[::1]",
    "[fe80::1%25eth0]",
    "127.1",
    "0x7f.1",
    "bücher.example",
    "xn--bcher-kva.example",
    "localhost",
    "",
    " ",
    ".",
    "a b",
    "a%2fb",
    "a%00b",
    "*",
    "a|b",
    "1.2.3.4.5",
    "%41",
    "!$&'()*+,;=_~",
    "{host}",
    "\"h\"",
    "`h`",
];
const PORTS: &[&str] = &[":443", ":80", ":7990", ":0", ":65536", ":x", ":"];
const STEPS: &[&str] = &[
    "",
    "bitbucket",
    "rest",
    "api",
    "1.0",
    "latest",
    ".",
    "..",
    "%2e%2E",
    "%2E",
    "\\",
    "%",
    "%2F",
    "%zz",
    "ü",
    "a b",
    "\t",
    "\n",
    "a|b",
    "{}",
    "\"",
    "^",
    "`",
    "<",
    "\u{7F}",
    "\u{202E}",
    ";x=1",
    ":",
    "@",
];
const ENDS: &[&str] = &["/", "//", "?", "?a=hunter2", "#", "#hunter2", " ", "/?#"];

/// A url put together from what people write, paste and try.
fn written() -> impl Strategy<Value = String> {
    // Mostly one that is good but for the path, so that the path is looked at.
    let scheme = prop_oneof![3 => Just("https://"), 1 => select(SCHEMES)];
    let user = prop_oneof![5 => Just(""), 1 => select(USERS)];
    let host = prop_oneof![2 => Just("git.example.com"), 1 => select(HOSTS)];
    let port = prop_oneof![4 => Just(""), 1 => select(PORTS)];
    let step = prop_oneof![1 => select(&["rest", "api", "1.0", "latest"][..]), 1 => select(STEPS)];
    let end = prop_oneof![3 => Just(""), 1 => select(ENDS)];
    let composed =
        (scheme, user, host, port, vec(step, 0..6), end).prop_map(|(scheme, user, host, port, steps, end)| {
            let path = steps.iter().map(|step| format!("/{step}")).collect::<Vec<_>>().concat();
            format!("{scheme}{user}{host}{port}{path}{end}")
        });
    prop_oneof![4 => composed, 1 => any::<String>(), 1 => any::<String>().prop_map(|rest| format!("https://h/{rest}"))]
}

/// A name as a server may send it for a project, a repository or an account.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => any::<String>(),
        3 => vec(prop_oneof![select(STEPS), select(&["/", "?", "#", "~", "api", "\r", "\0"][..])], 0..4)
            .prop_map(|parts| parts.concat()),
    ]
}

fn decoded(segment: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

/// Checks that the url is the base and these segments, for whoever reads it.
fn stays(base: &BaseUrl, url: &str, segments: &[&str]) -> Result<(), TestCaseError> {
    let read = Url::parse(url).unwrap();
    prop_assert_eq!(read.as_str(), url, "another reader sees another url");
    prop_assert!(url.parse::<axum::http::Uri>().is_ok(), "cannot be sent: {}", url);
    prop_assert_eq!(read.origin().ascii_serialization(), base.origin());
    prop_assert!(read.query().is_none() && read.fragment().is_none());
    let below = url.strip_prefix(&base.to_string()).and_then(|below| below.strip_prefix('/'));
    let found: Vec<&str> = below.unwrap().split('/').collect();
    prop_assert_eq!(found.len(), segments.len(), "{}", url);
    for (found, wanted) in found.iter().zip(segments) {
        prop_assert!(!found.is_empty(), "a server takes two slashes for one: {}", url);
        let found = decoded(found);
        // What no url can hold is replaced, and then names nothing that a server has.
        prop_assert!(found == wanted.as_bytes() || String::from_utf8_lossy(&found).contains('\u{FFFD}'), "{}", url);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_base_url_holds_no_secret_and_is_understood_again(text in written()) {
        match BaseUrl::parse(&text) {
            Ok(base) => {
                let shown = base.to_string();
                prop_assert_eq!(BaseUrl::parse(&shown), Ok(base.clone()));
                prop_assert!(!shown.contains("hunter2") && !shown.contains(['?', '#']) && !shown.ends_with('/'), "{}", shown);
                prop_assert!(shown.starts_with("https://") || shown.starts_with("http://"));
                prop_assert!(!base.host().is_empty() && !base.host().contains('@'));
                prop_assert!(shown.starts_with(&base.origin()), "{} is not at {}", shown, base.origin());
            }
            Err(error) => {
                let text = format!("{error} {error:?}");
                prop_assert!(!text.contains("hunter2"));
            }
        }
    }

    #[test]
    fn no_name_leaves_its_place(text in written(), project in name(), slug in name()) {
        let base = BaseUrl::parse(&text).or_else(|_| BaseUrl::parse("https://git.example.com/bitbucket")).unwrap();
        let place = ["rest", "api", "1.0", "projects", &project, "repos", &slug, "commits"];
        stays(&base, base.rest(&place[3..]).as_str(), &place)?;
        let (kind, owner) = project.strip_prefix('~').map_or(("projects", project.as_str()), |user| ("users", user));
        stays(&base, &base.browse(&project, &slug), &[kind, owner, "repos", &slug, "browse"])?;
        stays(&base, &base.project(&project), &[kind, owner])?;
        stays(&base, &base.user(&slug), &["users", &slug])?;
    }
}
