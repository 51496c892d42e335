//! What a caller wants a credential to be, and what that makes of the Secret. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::civil::Date;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Map, Value, json};

use super::{EXPIRATION_DATE, LABEL};
use crate::bitbucket::{BaseUrl, Credentials};
use crate::callers::Refusal;
use crate::datacloud::arguments::{Arguments, Change, invalid};
use crate::secrets::{URL, bytes, in_use, opaque, put};

/// A credential's value is not longer than this; nor is a label.
const LONGEST: usize = 4096;
const LONGEST_LABEL: usize = 255;

/// The arguments, as DX names them.
const USERNAME: &str = "bitbucket_data_center_username";
const PASSWORD: &str = "bitbucket_data_center_password";
/// Not DX's: an HTTP access token in place of name and password.
const TOKEN: &str = "bitbucket_data_center_token";

/// What a caller wants; what is None stays.
pub struct Wanted {
    label: Option<String>,
    username: Option<String>,
    password: Option<String>,
    token: Option<String>,
    expiration_date: Change<Date>,
}

impl Wanted {
    /// Takes them out of the arguments.
    pub fn read(arguments: &mut Arguments) -> Result<Self, Refusal> {
        let (mut settings, mut secrets) = (arguments.object("settings")?, arguments.object("secrets")?);
        let wanted = Self {
            label: text(arguments.text("label")?, "label", LONGEST_LABEL)?,
            username: text(settings.text(USERNAME)?, "settings.bitbucket_data_center_username", LONGEST)?,
            password: text(secrets.text(PASSWORD)?, "secrets.bitbucket_data_center_password", LONGEST)?,
            token: text(secrets.text(TOKEN)?, "secrets.bitbucket_data_center_token", LONGEST)?,
            expiration_date: arguments.date("expiration_date")?,
        };
        settings.end("settings.")?;
        secrets.end("secrets.")?;
        if wanted.username.as_ref().is_some_and(|name| name.contains(':')) {
            return Err(invalid(
                "settings.bitbucket_data_center_username",
                "contains a colon, which HTTP Basic cannot carry",
            ));
        }
        if wanted.token.is_some() && (wanted.username.is_some() || wanted.password.is_some()) {
            return Err(invalid(
                "secrets.bitbucket_data_center_token",
                "stands beside a user name or password, in whose place it is used",
            ));
        }
        Ok(wanted)
    }

    /// A Secret that is not there yet.
    pub fn create(&self, name: &str, url: &BaseUrl) -> Result<Secret, Refusal> {
        // Verified for this server, and for no other.
        let mut secret = opaque(name, BTreeMap::from([(URL.to_owned(), bytes(&url.to_string()))]));
        self.apply(&mut secret)?;
        if in_use(&secret).is_none() {
            return Err(Refusal::InvalidArguments("There is no credential among the arguments. Send settings.bitbucket_data_center_username and secrets.bitbucket_data_center_password, or secrets.bitbucket_data_center_token.".to_owned()));
        }
        Ok(secret)
    }

    /// Changes a Secret. It stays bound to the server that it is for; where it must be and is not yet (`bound`), it is bound to `url` with
    /// a new password or token, which is verified there.
    pub fn update(&self, secret: &Secret, url: &BaseUrl, bound: bool) -> Result<Secret, Refusal> {
        let mut changed = secret.clone();
        let data = changed.data.get_or_insert_default();
        if bound && (self.password.is_some() || self.token.is_some()) {
            data.entry(URL.to_owned()).or_insert_with(|| bytes(&url.to_string()));
        }
        self.apply(&mut changed)?;
        Ok(changed)
    }

    fn apply(&self, secret: &mut Secret) -> Result<(), Refusal> {
        if let Some(label) = &self.label {
            secret.annotations_mut().insert(LABEL.to_owned(), label.clone());
        }
        match self.expiration_date {
            Change::Set(date) => drop(secret.annotations_mut().insert(EXPIRATION_DATE.to_owned(), date.to_string())),
            Change::Remove => drop(secret.annotations_mut().remove(EXPIRATION_DATE)),
            Change::Keep => {}
        }
        if let Some(credentials) = self.credentials(secret)? {
            put(secret.data.get_or_insert_default(), &credentials);
        }
        Ok(())
    }

    /// What the credentials become; None if they stay.
    fn credentials(&self, secret: &Secret) -> Result<Option<Credentials>, Refusal> {
        if let Some(token) = &self.token {
            return Ok(Some(Credentials::Token(token.as_str().into())));
        }
        if self.username.is_none() && self.password.is_none() {
            return Ok(None);
        }
        let (username, password) = match in_use(secret) {
            Some(Credentials::Basic { username, password }) => (Some(username), Some(password)),
            _ => (None, None),
        };
        let username = self.username.clone().or(username);
        let password = self.password.as_ref().map(|password| password.as_str().into()).or(password);
        match (username, password) {
            (Some(username), Some(password)) => Ok(Some(Credentials::Basic { username, password })),
            (None, _) => Err(invalid("settings.bitbucket_data_center_username", "is missing, and none is stored")),
            (_, None) => Err(invalid("secrets.bitbucket_data_center_password", "is missing, and none is stored")),
        }
    }
}

/// The merge patch from one Secret to the other; it holds only for the version that was looked at.
pub fn patch(from: &Secret, to: &Secret) -> Value {
    let empty = BTreeMap::new();
    let data = difference(from.data.as_ref().unwrap_or(&empty), to.data.as_ref().unwrap_or(&empty));
    let annotations = difference(from.annotations(), to.annotations());
    let mut patch = json!({"metadata": {"resourceVersion": from.resource_version()}});
    if !annotations.is_empty() {
        patch["metadata"]["annotations"] = Value::Object(annotations);
    }
    if !data.is_empty() {
        patch["data"] = Value::Object(data);
    }
    patch
}

/// Whether a patch changes what the operator reads.
pub fn changes_data(patch: &Value) -> bool {
    patch.get("data").is_some()
}

fn difference<T: PartialEq + serde::Serialize>(
    from: &BTreeMap<String, T>,
    to: &BTreeMap<String, T>,
) -> Map<String, Value> {
    let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let new = to.iter().filter(|(key, value)| from.get(*key) != Some(*value));
    gone.chain(new.map(|(key, value)| (key.clone(), json!(value)))).collect()
}

/// A value that Bitbucket and Kubernetes can carry as it is.
fn text(value: Option<String>, name: &str, longest: usize) -> Result<Option<String>, Refusal> {
    let Some(text) = value else { return Ok(None) };
    if text.is_empty() {
        Err(invalid(name, "is empty"))
    } else if text.chars().count() > longest {
        Err(invalid(name, "is too long"))
    } else if text.contains(char::is_control) {
        Err(invalid(name, "contains a line break or another control character"))
    } else {
        Ok(Some(text))
    }
}
