//! The objects that make a connection. Pure.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::keys::{CA, PROXY_ADDRESS, URL, bytes, opaque, put};
use crate::api::BitbucketConnection;
use crate::api::spec::ImportFilter;
use crate::bitbucket::{BaseUrl, Credentials};

/// What somebody wants.
pub struct Wanted {
    /// The connection's name, and the beginning of those of its Secrets.
    pub name: String,
    /// Where no namespace is named, it is that of whoever applies them.
    pub namespace: Option<String>,
    /// The Bitbucket.
    pub url: BaseUrl,
    /// Who asks.
    pub credentials: Credentials,
    /// Certificates to trust beside those that everybody does, in PEM form.
    pub ca: Option<String>,
    /// The URL of a proxy.
    pub proxy: Option<String>,
    /// Which repositories.
    pub import: ImportFilter,
    /// When; None is the default.
    pub schedule: Option<String>,
}

/// The objects, the Secrets first.
pub struct Manifests {
    /// What holds the credentials, and what says how to get there.
    pub secrets: Vec<Secret>,
    /// Names them.
    pub connection: BitbucketConnection,
}

impl Manifests {
    /// Makes them. The error says what cannot be written so.
    pub fn of(wanted: &Wanted) -> Result<Self, String> {
        let Wanted { name, namespace, url, credentials, ca, proxy, import, schedule } = wanted;
        let mut spec = json!({"url": url.to_string(), "secretRef": {"name": name}});
        // What was used is what was verified, and stays bound to that server.
        let mut data = one(URL, &url.to_string());
        put(&mut data, credentials);
        let mut secrets = vec![opaque(name, data)];
        if let Some(pem) = ca {
            let name = format!("{name}-ca");
            spec["certSecretRef"] = json!({"name": name});
            secrets.push(opaque(&name, one(CA, pem)));
        }
        if let Some(proxy) = proxy {
            let name = format!("{name}-proxy");
            spec["proxySecretRef"] = json!({"name": name});
            secrets.push(opaque(&name, one(PROXY_ADDRESS, proxy)));
        }
        if !(import.projects.is_empty() && import.repositories.is_empty()) {
            spec["import"] = json!(import);
        }
        if let Some(schedule) = schedule {
            spec["schedule"] = json!(schedule);
        }
        let spec = serde_json::from_value(spec).map_err(|error| error.to_string())?;
        let mut connection = BitbucketConnection::new(name, spec);
        for metadata in secrets.iter_mut().map(|secret| &mut secret.metadata).chain([&mut connection.metadata]) {
            metadata.namespace.clone_from(namespace);
        }
        Ok(Self { secrets, connection })
    }

    /// All of them, as `kubectl apply` takes them.
    pub fn yaml(&self) -> Result<String, String> {
        let mut text = String::new();
        for secret in &self.secrets {
            let mut object = json!(secret);
            // As text, which a person can look at.
            let plain =
                |(key, ByteString(value)): (&String, &ByteString)| (key.clone(), json!(String::from_utf8_lossy(value)));
            let data: serde_json::Map<String, Value> = secret.data.iter().flatten().map(plain).collect();
            if let Some(fields) = object.as_object_mut() {
                fields.remove("data");
                fields.insert("stringData".to_owned(), Value::Object(data));
            }
            text += &document(&object)?;
        }
        Ok(text + &document(&json!(self.connection))?)
    }
}

fn document(object: &Value) -> Result<String, String> {
    let yaml = serde_saphyr::to_string(object).map_err(|error| error.to_string())?;
    Ok(format!("---\n{}\n", yaml.trim_end()))
}

fn one(key: &str, value: &str) -> BTreeMap<String, ByteString> {
    BTreeMap::from([(key.to_owned(), bytes(value))])
}
