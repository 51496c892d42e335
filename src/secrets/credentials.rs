//! From Secrets to credentials, certificate authorities and a proxy. Pure.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::keys::{CA, DX, PLAIN, PROXY_ADDRESS, TOKEN, URL};
use crate::bitbucket::{Authorities, BaseUrl, Credentials, Proxy};
use crate::trust::Hosts;

/// A password or token is not longer than this.
const LONGEST_VALUE: usize = 4096;

/// Understands a Secret. The error is the sentence for the user.
/// `bound` is whether the Secret must say which server it is for.
pub fn credentials(secret: &Secret, url: &BaseUrl, bound: bool) -> Result<Credentials, String> {
    let kind = secret.type_.as_deref().unwrap_or("Opaque");
    if !matches!(kind, "Opaque" | "kubernetes.io/basic-auth") {
        return Err("The Secret's type is neither Opaque nor kubernetes.io/basic-auth. Reference a Secret that is meant for Bitbucket.".to_owned());
    }
    let empty = BTreeMap::new();
    let data = secret.data.as_ref().unwrap_or(&empty);
    match value(data, URL)? {
        Some(server) if BaseUrl::parse(&server).is_ok_and(|server| server.origin() == url.origin()) => {}
        Some(_) => {
            return Err("The Secret's key url binds it to another server than spec.url names. Correct one of the two."
                .to_owned());
        }
        None if bound => {
            return Err("The Secret does not say which server it is for, as the operator demands (--require-secret-url). Put the base URL of that Bitbucket into its key url.".to_owned());
        }
        None => {}
    }
    if let Some(token) = value(data, TOKEN)? {
        return Ok(Credentials::Token(token.into()));
    }
    for (name, password) in [PLAIN, DX] {
        if let (Some(username), Some(password)) = (value(data, name)?, value(data, password)?) {
            return Ok(Credentials::Basic { username, password: password.into() });
        }
    }
    Err("The Secret holds no credentials: a key is missing, or its value is empty. Put in the keys username and password, or bitbucket_data_center_username and bitbucket_data_center_password, or token.".to_owned())
}

/// The credentials that a Secret holds, whichever server they are for.
pub fn in_use(secret: &Secret) -> Option<Credentials> {
    let mut free = secret.clone();
    free.data.as_mut()?.remove(URL);
    let anywhere = BaseUrl::parse("https://localhost").ok()?;
    credentials(&free, &anywhere, false).ok()
}

/// Understands the Secret of `spec.certSecretRef`. The error is the sentence for the user.
pub fn authorities(secret: &Secret) -> Result<Authorities, String> {
    let pem = secret.data.as_ref().and_then(|data| data.get(CA));
    let advice = "Put the certificates of the authority that signed Bitbucket's certificate into it, in PEM form.";
    let Some(ByteString(pem)) = pem else {
        return Err(format!("The Secret of spec.certSecretRef has no key ca.crt. {advice}"));
    };
    Authorities::from_pem(pem)
        .map_err(|error| format!("The key ca.crt of spec.certSecretRef's Secret {error}. {advice}"))
}

/// Understands the Secret of `spec.proxySecretRef`. The error is the sentence for the user.
pub fn proxy(secret: &Secret, hosts: &Hosts) -> Result<Proxy, String> {
    let empty = BTreeMap::new();
    let data = secret.data.as_ref().unwrap_or(&empty);
    let Some(address) = value(data, PROXY_ADDRESS)? else {
        return Err("The Secret of spec.proxySecretRef has no key address. Put the proxy's URL into it, such as http://proxy.example.com:3128.".to_owned());
    };
    let credentials = match (value(data, PLAIN.0)?, value(data, PLAIN.1)?) {
        (Some(username), Some(password)) => Some((username, password.into())),
        _ => None,
    };
    let proxy = Proxy::new(&address, credentials).map_err(|error| {
        format!(
            "The key address of spec.proxySecretRef's Secret {error}, with user name and password in keys of their own."
        )
    })?;
    if hosts.allow(proxy.host()) {
        Ok(proxy)
    } else {
        Err("The proxy of spec.proxySecretRef's Secret is none of the hosts that the operator connects to (--allowed-hosts). Correct its key address, or ask who installed the operator to allow this host.".to_owned())
    }
}

/// The text under a key; None if it is missing or empty.
pub fn value(data: &BTreeMap<String, ByteString>, key: &str) -> Result<Option<String>, String> {
    let Some(ByteString(bytes)) = data.get(key) else { return Ok(None) };
    if bytes.len() > LONGEST_VALUE {
        return Err(format!("The Secret's key {key} is longer than any credential. Put the bare value in."));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| format!("The Secret's key {key} is not UTF-8 text. Encode it as UTF-8 before base64."))?;
    let text = bare(text);
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Without the newline that `echo` and editors leave at the end, which nobody meant.
pub fn bare(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn secret(kind: &str, data: &[(&str, &str)]) -> Secret {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), bytes(value))).collect();
        Secret { type_: Some(kind.to_owned()), data: Some(data), ..Secret::default() }
    }

    fn read(kind: &str, data: &[(&str, &str)]) -> Result<Credentials, String> {
        credentials(&secret(kind, data), &BaseUrl::parse("https://git.example.com/bitbucket").unwrap(), false)
    }

    #[test]
    fn each_set_of_keys_is_understood() {
        for (name, password) in
            [("username", "password"), ("bitbucket_data_center_username", "bitbucket_data_center_password")]
        {
            let Ok(Credentials::Basic { username, password }) =
                read("Opaque", &[(name, "svc\n"), (password, "a:b #@/%ühunter2 \r\n")])
            else {
                panic!("not understood")
            };
            assert!((username.as_str(), password.expose_secret()) == ("svc", "a:b #@/%ühunter2 "), "{name}");
        }
        assert!(matches!(read("kubernetes.io/basic-auth", &[("token", "tok-hunter2")]), Ok(Credentials::Token(_))));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (kind, data, expected) in [
            ("kubernetes.io/tls", vec![("token", "tok-hunter2")], "type"),
            ("Opaque", vec![("username", "svc")], "holds no credentials"),
            ("Opaque", vec![("username", "svc"), ("password", "\n")], "holds no credentials"),
            (
                "Opaque",
                vec![("token", "tok-hunter2"), ("url", "https://other.example.com")],
                "binds it to another server",
            ),
        ] {
            assert!(read(kind, &data).unwrap_err().contains(expected), "{expected}");
        }
        assert!(read("Opaque", &[("token", "tok-hunter2"), ("url", "https://GIT.example.com/x")]).is_ok());
    }

    #[test]
    fn a_secret_may_have_to_name_its_server() {
        let url = BaseUrl::parse("https://git.example.com").unwrap();
        let free = secret("Opaque", &[("token", "tok-hunter2")]);
        assert!(credentials(&free, &url, true).unwrap_err().contains("--require-secret-url"));
        let bound = secret("Opaque", &[("token", "tok-hunter2"), ("url", "https://git.example.com")]);
        assert!(credentials(&bound, &url, true).is_ok());
    }

    #[test]
    fn a_proxy_must_be_an_allowed_host() {
        let hosts = Hosts::new(vec!["proxy.example.com".parse().unwrap()]);
        let at = |address| proxy(&secret("Opaque", &[("address", address)]), &hosts);
        assert!(at("http://proxy.example.com:3128").is_ok());
        assert!(at("http://other.example.com:3128").unwrap_err().contains("--allowed-hosts"));
    }
}
