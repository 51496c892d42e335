//! Whether a body was signed with a key. <https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html>

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether `header` (`sha256=…`, the HMAC in hexadecimal digits) signs the body. The time that it takes does not depend on how much of it
/// is right.
pub fn is_signed(header: Option<&str>, key: &[u8], body: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    mac.update(body);
    let digits = header.and_then(|header| header.strip_prefix("sha256="));
    let given = digits.and_then(bytes).unwrap_or_default();
    mac.verify_slice(&given).is_ok()
}

/// Whether it could be one of some body.
pub fn is_signature(header: Option<&str>) -> bool {
    let digits = header.and_then(|header| header.strip_prefix("sha256=")).unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// What hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_signature_passes() {
        // printf '{"test":true}' | openssl dgst -sha256 -hmac secret
        let good = "sha256=3d286aded37566af78d3a9e37d83623c3abd9e7af955e386232717707db10ba8";
        let body = br#"{"test":true}"#;
        assert!(is_signed(Some(good), b"secret", body));
        assert!(is_signature(Some(good)) && !is_signature(Some(&good[..70])) && !is_signature(None));
        assert!(is_signed(Some(&good.to_uppercase().replace("SHA256", "sha256")), b"secret", body));
        for (header, key, body) in [
            (None, "secret", &body[..]),
            (Some(""), "secret", body),
            (Some("sha256="), "secret", body),
            (Some(&good[..good.len() - 1]), "secret", body),
            (Some(&good[..good.len() - 2]), "secret", body),
            (Some("sha256=zz"), "secret", body),
            (Some("sha256=+1"), "secret", body),
            (Some("sha1=00"), "secret", body),
            (Some(good), "Secret", body),
            (Some(good), "", body),
            (Some(good), "secret", b"{}"),
            (Some("sha256=\u{e4}\u{e4}"), "secret", body),
        ] {
            assert!(!is_signed(header, key.as_bytes(), body), "{header:?} {key}");
        }
    }
}
