//! Who calls: whoever the API server takes the token for.

use axum::http::{HeaderMap, header};
use futures::TryStreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, PostParams};
use kube::config::AuthInfo;
use kube::{Api, Client, Config, ResourceExt};
use tokio::try_join;

use super::refusal::Refusal;
use crate::api::{BitbucketConnection, GROUP};
use crate::kubernetes::{Guarded, within};

/// Objects that are asked for at a time.
const PAGE: u32 = 100;

/// A caller, for one call.
pub struct Caller {
    /// Asks the API server as the caller.
    pub client: Client,
}

impl Caller {
    /// By the token of this request. Whether it is any good, the API server says when it is asked. Nothing of the token is kept
    /// beyond the call: neither it, nor what is known of it, nor a connection that was made with it.
    pub fn new(server: &Config, headers: &HeaderMap) -> Result<Self, Refusal> {
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        let token = token.ok_or(Refusal::NotAuthed)?;
        let mut config = server.clone();
        config.auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
        let client = Client::try_from(config).map_err(|_| Refusal::NotAuthed)?;
        Ok(Self { client })
    }

    /// The connections of a namespace, or all, in the order in which the API server has them, a page at a time. Objects that cannot
    /// be understood are left out.
    pub fn connections(&self, namespace: Option<&str>) -> BoxStream<'static, Result<BitbucketConnection, Refusal>> {
        let api: Api<Guarded> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let pages = stream::try_unfold((api, Some(String::new())), async |(api, next)| {
            let Some(next) = next else { return Ok(None) };
            let page = ListParams { limit: Some(PAGE), ..ListParams::default() };
            let page = if next.is_empty() { page } else { page.continue_token(&next) };
            let list = within(api.list(&page)).await?;
            let next = list.metadata.continue_.filter(|next| !next.is_empty());
            let understood = list.items.into_iter().filter_map(|object| object.0.ok());
            Ok::<_, Refusal>(Some((stream::iter(understood.map(Ok)), (api, next))))
        });
        Box::pin(pages.try_flatten())
    }

    /// The connection of this name.
    pub async fn connection(&self, namespace: &str, name: &str) -> Result<BitbucketConnection, Refusal> {
        Ok(within(self.objects(namespace).get(name)).await?)
    }

    /// The connections of a namespace.
    pub fn objects(&self, namespace: &str) -> Api<BitbucketConnection> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Whether Kubernetes lets the caller do this in a namespace, or where that is empty in all of them; with the connection of this name,
    /// or with any.
    pub async fn may(&self, verb: &str, resource: &str, namespace: &str, name: Option<&str>) -> Result<bool, Refusal> {
        let group = if resource == "secrets" { "" } else { GROUP };
        let asked = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(verb.to_owned()),
                    group: Some(group.to_owned()),
                    resource: Some(resource.to_owned()),
                    namespace: Some(namespace.to_owned()),
                    name: name.map(str::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let answer = within(reviews.create(&PostParams::default(), &asked)).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    /// Whether Kubernetes lets the caller make a connection in a namespace, or where that is empty in all of them.
    pub async fn may_create(&self, namespace: &str) -> Result<bool, Refusal> {
        let connections = self.may("create", "bitbucketconnections", namespace, None);
        let secrets = self.may("create", "secrets", namespace, None);
        let (connections, secrets) = try_join!(connections, secrets)?;
        Ok(connections && secrets)
    }

    /// The Secrets beside a connection.
    pub fn secrets(&self, object: &BitbucketConnection) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }
}

/// Whether it may be the name of an object or a namespace: whatever is none would be part of the path of a request to the API server.
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    (1..=253).contains(&text.len()) && text.bytes().all(plain) && text.bytes().any(|byte| byte != b'.')
}

/// Whether it may be the name of a namespace, which is that of a DNS label.
pub fn is_namespace(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_name(text)
}

/// The token of such a header; the scheme's case does not matter.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found() {
        for (header, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer ", None),
            ("Bearer", None),
            ("Basic abc", None),
            ("", None),
        ] {
            assert_eq!(bearer(header), token, "{header}");
        }
    }

    #[test]
    fn a_namespace_has_no_dot_and_is_short() {
        for (text, name) in [("team-a", true), ("a.b", false), ("", false), ("A", false)] {
            assert_eq!(is_namespace(text), name, "{text}");
        }
        assert!(is_namespace(&"a".repeat(63)) && !is_namespace(&"a".repeat(64)));
    }

    #[test]
    fn a_name_leads_to_no_other_path() {
        for (text, name) in
            [("team-a", true), ("a.b", true), ("", false), ("..", false), ("a/b", false), ("A", false), ("a?b", false)]
        {
            assert_eq!(is_name(text), name, "{text}");
        }
    }
}
