//! The keys under which a Secret holds what it holds, and how credentials are put under them. Pure.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use secrecy::ExposeSecret;

use crate::bitbucket::Credentials;

/// The server that a Secret is for.
pub const URL: &str = "url";
/// An HTTP access token, which stands before name and password.
pub const TOKEN: &str = "token";
/// A name and its password.
pub const PLAIN: (&str, &str) = ("username", "password");
/// The same under the names that DX has for them; those of `PLAIN` stand before them.
pub const DX: (&str, &str) = ("bitbucket_data_center_username", "bitbucket_data_center_password");
/// Certificates of authorities, in PEM form.
pub const CA: &str = "ca.crt";
/// The URL of a proxy; its name and password are under `PLAIN`.
pub const PROXY_ADDRESS: &str = "address";

/// A Secret that is not there yet.
pub fn opaque(name: &str, data: BTreeMap<String, ByteString>) -> Secret {
    Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// Puts credentials in the place of those that are there, under the names that those have.
pub fn put(data: &mut BTreeMap<String, ByteString>, credentials: &Credentials) {
    let plain = data.contains_key(PLAIN.0) && data.contains_key(PLAIN.1);
    let (name, word) = if data.contains_key(DX.0) && !plain { DX } else { PLAIN };
    for key in [PLAIN.0, PLAIN.1, DX.0, DX.1, TOKEN] {
        data.remove(key);
    }
    match credentials {
        Credentials::Token(token) => drop(data.insert(TOKEN.to_owned(), bytes(token.expose_secret()))),
        Credentials::Basic { username, password } => {
            data.insert(name.to_owned(), bytes(username));
            data.insert(word.to_owned(), bytes(password.expose_secret()));
        }
    }
}

/// A value as a Secret holds it.
pub fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}
