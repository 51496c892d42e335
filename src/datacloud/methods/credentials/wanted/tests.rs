//! What becomes of a Secret, for each way to ask for it.

use k8s_openapi::ByteString;
use secrecy::ExposeSecret;

use super::*;
use crate::secrets::{DX, PLAIN, credentials};

fn wanted(arguments: &Value) -> Result<Wanted, Refusal> {
    let headers = axum::http::HeaderMap::new();
    let mut arguments = Arguments::read(&headers, arguments.to_string().as_bytes())?;
    let wanted = Wanted::read(&mut arguments)?;
    arguments.end("").map(|()| wanted)
}

fn name_and_password(name: &str, password: &str) -> Value {
    json!({"settings": {USERNAME: name}, "secrets": {PASSWORD: password}})
}

fn secret(data: &[(&str, &str)]) -> Secret {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), bytes(value))).collect();
    Secret { data: Some(data), ..Secret::default() }
}

fn url() -> BaseUrl {
    BaseUrl::parse("https://git.example.com/bitbucket").unwrap()
}

/// The data after an update, as text.
fn updated(data: &[(&str, &str)], arguments: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let changed = wanted(arguments)?.update(&secret(data), &url(), false)?;
    let text = |(key, ByteString(value)): (String, ByteString)| (key, String::from_utf8(value).unwrap());
    Ok(changed.data.unwrap().into_iter().map(text).collect())
}

fn of(data: &[(&str, &str)]) -> BTreeMap<String, String> {
    data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_is_created_is_what_the_operator_reads() {
    let created = wanted(&name_and_password("svc", "hunter2-new")).unwrap().create("s", &url()).unwrap();
    let Some(Credentials::Basic { username, password }) = in_use(&created) else { panic!("not understood") };
    assert!((username.as_str(), password.expose_secret()) == ("svc", "hunter2-new"));
    let elsewhere = BaseUrl::parse("https://other.example.com").unwrap();
    assert!(credentials(&created, &elsewhere, false).is_err(), "it is bound to the server that it was verified for");
    let token = wanted(&json!({"secrets": {TOKEN: "tok-hunter2"}})).unwrap().create("s", &url()).unwrap();
    assert!(matches!(in_use(&token), Some(Credentials::Token(_))));
    assert!(wanted(&json!({"label": "a"})).unwrap().create("s", &url()).is_err());
}

#[test]
fn what_is_not_named_stays() {
    let password = json!({"secrets": {PASSWORD: "hunter2-new"}});
    for ((name, key), other) in [(PLAIN, ("x", "1")), (DX, ("x", "1")), (DX, ("username", "left"))] {
        let after = updated(&[(name, "svc"), (key, "hunter2"), other], &password).unwrap();
        assert!(after[name] == "svc" && after[key] == "hunter2-new", "{name}");
        assert_eq!(after.contains_key("x"), other.0 == "x", "what the operator does not read");
    }
    let name = json!({"settings": {USERNAME: "svc-2"}, "secrets": {}});
    let after = updated(&[("username", "svc"), ("password", "hunter2")], &name).unwrap();
    assert!(after == of(&[("username", "svc-2"), ("password", "hunter2")]));
    let label = updated(&[("username", "svc"), ("password", "hunter2")], &json!({"label": "a"})).unwrap();
    assert!(label == of(&[("username", "svc"), ("password", "hunter2")]));
}

#[test]
fn a_token_takes_the_place_of_a_password_and_the_other_way_round() {
    let token = json!({"secrets": {TOKEN: "tok-hunter2"}});
    let after = updated(&[("username", "svc"), ("password", "hunter2")], &token).unwrap();
    assert!(after == of(&[("token", "tok-hunter2")]));
    let after = updated(&[("token", "tok-hunter2")], &name_and_password("svc", "hunter2")).unwrap();
    assert!(after == of(&[("username", "svc"), ("password", "hunter2")]));
    let half = updated(&[("token", "tok-hunter2")], &json!({"secrets": {PASSWORD: "hunter2"}}));
    assert_eq!(half.unwrap_err().error(), "invalid_arguments");
}

#[test]
fn a_secret_stays_bound_to_the_server_that_it_is_for() {
    let password = json!({"secrets": {PASSWORD: "hunter2-new"}});
    let other = [("url", "https://old.example.com"), ("username", "svc"), ("password", "hunter2")];
    assert_eq!(updated(&other, &password).unwrap()["url"], "https://old.example.com");
    let free = secret(&[("username", "svc"), ("password", "hunter2")]);
    let bound = |arguments: &Value| wanted(arguments).unwrap().update(&free, &url(), true).unwrap().data.unwrap();
    assert!(bound(&password)["url"] == bytes("https://git.example.com/bitbucket"));
    assert!(!bound(&json!({"label": "a"})).contains_key("url"), "what is stored is not sent there by a label");
}

#[test]
fn what_bitbucket_or_kubernetes_cannot_carry_is_refused() {
    for arguments in [
        name_and_password("", "hunter2"),
        name_and_password("svc", ""),
        name_and_password("a:b", "hunter2"),
        name_and_password("svc", "hunter2\n"),
        name_and_password("svc", &"hunter2".repeat(1000)),
        json!({"label": "a\nb"}),
        json!({"setting": {}}),
        json!({"settings": {"username": "svc"}}),
        json!({"secrets": {"password": "hunter2"}}),
        json!({"secrets": {TOKEN: "tok-hunter2", PASSWORD: "hunter2"}}),
    ] {
        let Err(Refusal::InvalidArguments(message)) = wanted(&arguments) else { panic!("accepted") };
        assert!(!message.contains("hunter2"));
    }
}

#[test]
fn the_patch_says_what_differs_and_of_which_version() {
    let mut from = secret(&[("token", "a"), ("x", "1")]);
    from.metadata.resource_version = Some("7".to_owned());
    from.annotations_mut().insert(EXPIRATION_DATE.to_owned(), "2027-01-31".to_owned());
    let wanted = wanted(&json!({"secrets": {TOKEN: "b"}, "label": "l", "expiration_date": null})).unwrap();
    let patch = patch(&from, &wanted.update(&from, &url(), false).unwrap());
    assert_eq!(
        patch,
        json!({"metadata": {"resourceVersion": "7", "annotations": {LABEL: "l", EXPIRATION_DATE: null}}, "data": {"token": "Yg=="}})
    );
}
