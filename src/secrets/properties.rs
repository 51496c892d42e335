//! Whatever is in a Secret, it is understood or refused, and no sentence repeats it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use secrecy::ExposeSecret;

use super::credentials::{authorities, credentials, proxy};
use crate::bitbucket::{BaseUrl, Clients, Credentials, Options, Patience, Way};
use crate::runtime::tls;
use crate::trust::{Addresses, Hosts};

/// Stands for what must never be shown; it is in each value.
const SECRET: &str = "hunter2";

const KEYS: &[&str] = &[
    "username",
    "password",
    "bitbucket_data_center_username",
    "bitbucket_data_center_password",
    "token",
    "url",
    "address",
    "ca.crt",
    "other",
];

/// Values as editors, shells and other programs leave them.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &str| text.as_bytes().to_vec();
    prop_oneof![
        Just(Vec::new()),
        Just(text("\n")),
        Just(text("\r\n")),
        (vec(any::<u8>(), 0..12), select(vec!["", "\n", "\r\n", "\n\n", "\0"])).prop_map(move |(bytes, end)| [
            SECRET.as_bytes(),
            &bytes,
            end.as_bytes()
        ]
        .concat()),
        any::<String>().prop_map(|text| format!("{SECRET}{text}").into_bytes()),
        select(vec![
            "https://git.example.com",
            "https://hunter2@git.example.com",
            "https://hunter2.example.com",
            "http://p:3128\n",
            "http://u:hunter2@p",
            "http://{p}:3128",
            "https://p/\"|^`?{}"
        ])
        .prop_map(text),
        (4000..5000_usize).prop_map(|length| SECRET.as_bytes().iter().copied().cycle().take(length).collect()),
    ]
}

fn secrets() -> impl Strategy<Value = Secret> {
    let kind =
        select(vec![None, Some("Opaque"), Some("kubernetes.io/basic-auth"), Some("kubernetes.io/tls"), Some(SECRET)]);
    (kind, prop::option::weighted(0.95, btree_map(select(KEYS), value().prop_map(ByteString), 0..7))).prop_map(
        |(kind, data)| {
            let data = data.map(|data| data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
            Secret { type_: kind.map(str::to_owned), data, ..Secret::default() }
        },
    )
}

/// The value under a key as a person meant it.
fn meant(data: &BTreeMap<String, ByteString>, key: &str) -> Option<String> {
    let text = String::from_utf8(data.get(key)?.0.clone()).ok()?;
    let bare = ["\r\n", "\n"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(&text);
    Some(bare.to_owned()).filter(|bare| !bare.is_empty())
}

fn client(credentials: Credentials, way: &Way) -> bool {
    let options = Options { concurrency: 1, patience: Patience::default(), reopen: None };
    Clients::new(1, Addresses::all())
        .client(BaseUrl::parse("https://git.example.com").unwrap(), credentials, way, options)
        .is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn credentials_are_taken_as_they_are_and_never_shown(secret in secrets()) {
        let url = BaseUrl::parse("https://git.example.com/bitbucket").unwrap();
        let data = secret.data.clone().unwrap_or_default();
        match credentials(&secret, &url, false) {
            Ok(Credentials::Token(token)) => {
                prop_assert_eq!(Some(token.expose_secret().to_owned()), meant(&data, "token"));
            }
            Ok(Credentials::Basic { username, password }) => {
                let shown = format!("{:?}", Credentials::Basic { username: String::new(), password: password.clone() });
                prop_assert!(!shown.contains(SECRET));
                let password = Some(password.expose_secret().to_owned());
                let pairs = [("username", "password"), ("bitbucket_data_center_username", "bitbucket_data_center_password")];
                let own = |(name, word)| meant(&data, name).as_ref() == Some(&username) && meant(&data, word) == password;
                prop_assert!(pairs.into_iter().any(own));
            }
            Err(message) => prop_assert!(!message.contains(SECRET), "{}", message),
        }
        if meant(&data, "url").is_some_and(|bound| bound != "https://git.example.com") {
            prop_assert!(credentials(&secret, &url, false).is_err(), "it is bound to another server");
        }
    }

    #[test]
    fn a_proxy_is_understood_or_refused_and_its_password_never_shown(secret in secrets()) {
        match proxy(&secret, &Hosts::default()) {
            Ok(proxy) => {
                let shown = format!("{proxy:?} {}", proxy.address());
                prop_assert!(!shown.contains('@'), "{}", shown);
                prop_assert!(proxy.address().parse::<axum::http::Uri>().is_ok(), "it would be passed by: {}", shown);
            }
            Err(message) => prop_assert!(!message.contains(SECRET), "{}", message),
        }
        if let Err(message) = authorities(&secret) {
            prop_assert!(!message.contains(SECRET), "{}", message);
        }
    }
}

/// A certificate, its end cut off or bytes of it changed.
fn certificates() -> impl Strategy<Value = Vec<u8>> {
    let good = rcgen::generate_simple_self_signed(vec!["git.example.com".to_owned()]).unwrap().cert.pem();
    let junk = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n".to_owned();
    let edits = vec((any::<Index>(), 0..40_usize, vec(any::<u8>(), 0..3)), 0..3);
    (select(vec![good.clone(), good.clone() + &good, junk, String::new()]), edits).prop_map(|(pem, edits)| {
        let mut bytes = pem.into_bytes();
        for (at, remove, insert) in edits {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + remove);
            bytes.splice(at..end, insert);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    /// What is wrong with a Secret is said of the Secret, and not of the machine or of the way.
    #[test]
    fn whom_to_trust_and_through_whom_to_go_can_be_used(pem in certificates(), address in value()) {
        tls::install();
        let mut way = Way::new(std::time::Duration::from_secs(1));
        let data = BTreeMap::from([("ca.crt".to_owned(), ByteString(pem)), ("address".to_owned(), ByteString(address))]);
        let secret = Secret { data: Some(data), ..Secret::default() };
        way.authorities = authorities(&secret).unwrap_or_default();
        way.proxy = proxy(&secret, &Hosts::default()).ok();
        prop_assert!(client(Credentials::Token(SECRET.into()), &way));
    }
}
