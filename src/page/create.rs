//! A new connection: verified first, and stored only if its credentials are good.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::problem::{Problem, message, page};
use super::request::Visitor;
use crate::api::owner::PAGE_FIELD_MANAGER;
use crate::api::spec::ImportFilter;
use crate::bitbucket::{BaseUrl, Credentials};
use crate::callers::{Caller, Callers, Password, Refusal, check, is_name, is_namespace};
use crate::secrets::{Manifests, Stored, Wanted, store, try_store, way_of};

/// What was typed. What is secret is in no answer.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    namespace: String,
    name: String,
    url: String,
    username: String,
    password: String,
    token: String,
    ca: String,
    proxy: String,
    schedule: String,
}

#[derive(Template)]
#[template(path = "new.html")]
struct New {
    problem: Option<String>,
    form: Typed,
}

/// The form, for whoever the API server knows. Where the address names no namespace, it is not known yet what the visitor lacks.
pub async fn show(Visitor(caller): Visitor, Query(form): Query<Typed>) -> Result<Response, Problem> {
    let form = Typed { namespace: form.namespace, ..Typed::default() };
    let may_create = caller.may_create(&form.namespace).await?;
    if !may_create && !form.namespace.is_empty() {
        let text = format!(
            "You may not create BitbucketConnections and Secrets in namespace {}. Ask who administers the cluster for that right.",
            form.namespace
        );
        return Err(Refusal::NoPermission(text).into());
    }
    Ok(page(StatusCode::OK, &New { problem: None, form }))
}

/// Verifies and stores.
pub async fn submit(
    State(callers): State<Arc<Callers>>,
    Visitor(caller): Visitor,
    Form(typed): Form<Typed>,
) -> Result<Response, Problem> {
    match created(&callers, &caller, &typed).await {
        Ok(()) => {
            Ok(Redirect::to(&format!("/connections/{}/{}?said=created", typed.namespace, typed.name)).into_response())
        }
        Err(refusal @ Refusal::NotAuthed) => Err(refusal.into()),
        Err(refusal) => {
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &New { problem: Some(message(&refusal)), form: typed }))
        }
    }
}

/// First Kubernetes is asked whether the caller may store it, then Bitbucket whether it is any good: nobody can try passwords who could
/// not store them.
async fn created(callers: &Callers, caller: &Caller, typed: &Typed) -> Result<(), Refusal> {
    let wanted = wanted(typed)?;
    let manifests = Manifests::of(&wanted).map_err(Refusal::InvalidArguments)?;
    if !callers.looks_after(&manifests.connection) {
        let text = "The operator does not look after this namespace. Choose one that it does.";
        return Err(Refusal::InvalidArguments(text.to_owned()));
    }
    let context = callers.context()?;
    try_store(&caller.client, &typed.namespace, PAGE_FIELD_MANAGER, &manifests).await?;
    let route = way_of(&context.trust, &manifests).map_err(|(reason, text)| Refusal::Unverified(reason, text))?;
    let Some(secret) = manifests.secrets.first() else { return Ok(()) };
    check(callers, &context, &manifests.connection, route, secret, Password::Sent).await?;
    let (client, namespace) = (caller.client.clone(), typed.namespace.clone());
    // A task of its own: whoever goes away meanwhile leaves no half behind.
    let storing = tokio::spawn(async move { store(&client, &namespace, PAGE_FIELD_MANAGER, &manifests).await });
    let broken = |_| Refusal::Unavailable("The storing broke off. Look at the list.".to_owned());
    match storing.await.map_err(broken)? {
        Stored::All => Ok(()),
        Stored::Nothing { error, left } if left.is_empty() => Err(error.into()),
        Stored::Nothing { error, left } => {
            let names = left.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            Err(Refusal::InvalidArguments(format!(
                "{error}. These Secrets were stored and could not be deleted again: {names}. Delete them."
            )))
        }
        Stored::Unknown(error) => {
            Err(Refusal::Unavailable(format!("{error}. Nobody knows whether all was stored: look at the list.")))
        }
    }
}

/// What somebody meant by what they typed. Pure.
fn wanted(typed: &Typed) -> Result<Wanted, Refusal> {
    let wrong = |text: &str| Refusal::InvalidArguments(text.to_owned());
    if !is_namespace(&typed.namespace) || !is_name(&typed.name) {
        return Err(wrong("Namespace and name consist of lower-case letters, digits and hyphens. Correct them."));
    }
    let url =
        BaseUrl::parse(typed.url.trim()).map_err(|error| Refusal::InvalidArguments(format!("The URL: {error}.")))?;
    let username = typed.username.trim();
    let credentials = match (username.is_empty(), typed.password.is_empty(), typed.token.is_empty()) {
        (true, true, false) => Credentials::Token(typed.token.trim().into()),
        (false, false, true) => {
            Credentials::Basic { username: username.to_owned(), password: typed.password.as_str().into() }
        }
        (_, _, false) => return Err(wrong("There is a token beside a user name or a password. Use one of the two.")),
        _ => return Err(wrong("The credentials are not complete. Type a user name and a password, or a token.")),
    };
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    Ok(Wanted {
        name: typed.name.clone(),
        namespace: Some(typed.namespace.clone()),
        url,
        credentials,
        ca: given(&typed.ca),
        proxy: given(&typed.proxy),
        import: ImportFilter::default(),
        schedule: given(&typed.schedule),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(username: &str, password: &str, token: &str) -> Typed {
        let text = |text: &str| text.to_owned();
        Typed {
            namespace: text("team"),
            name: text("a"),
            url: text(" https://git.example.com "),
            username: text(username),
            password: text(password),
            token: text(token),
            ..Typed::default()
        }
    }

    #[test]
    fn either_a_password_or_a_token_is_meant() {
        assert!(matches!(
            wanted(&typed("svc", "hunter2 ", "")).map(|wanted| wanted.credentials),
            Ok(Credentials::Basic { .. })
        ));
        assert!(matches!(
            wanted(&typed("", "", "tok-hunter2")).map(|wanted| wanted.credentials),
            Ok(Credentials::Token(_))
        ));
        for (username, password, token) in [
            ("", "", ""),
            ("svc", "", ""),
            ("", "hunter2", ""),
            ("svc", "hunter2", "tok-hunter2"),
            ("svc", "", "tok-hunter2"),
        ] {
            assert!(wanted(&typed(username, password, token)).is_err(), "{username} {password} {token}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (name, url, says) in [
            ("A", "https://git.example.com", "lower-case"),
            ("a", "ftp://git", "The URL"),
            ("../x", "https://g", "lower-case"),
        ] {
            let typed = Typed { name: name.to_owned(), url: url.to_owned(), ..typed("svc", "hunter2", "") };
            let Err(Refusal::InvalidArguments(text)) = wanted(&typed) else { panic!("{name} {url}") };
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn what_is_secret_is_in_no_answer() {
        let form = Typed { ca: "PEM".to_owned(), ..typed("svc", "hunter2", "tok-hunter2") };
        let html = New { problem: Some("no".to_owned()), form }.render().unwrap();
        assert!(html.contains("svc") && html.contains("PEM") && !html.contains("hunter2"));
    }
}
