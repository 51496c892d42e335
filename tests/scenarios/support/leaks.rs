//! Whether a secret has come out. Every password and token of Bitbucket's in the tests holds one word; it is looked for as it is,
//! and in base64, as a `Basic` header and the data of a Secret have it. Tokens of Kubernetes are looked for by their signatures.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Nothing else may be called so: no host, no file, no commit message.
const WORD: &str = "hunter2";

/// So much of a signature tells it from all others, also where what comes behind is cut off. Characters.
const BEGINNING: usize = 16;

/// Beginnings of the signatures of all tokens that were made.
static SIGNATURES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From now on this token of Kubernetes is a secret. What stands before its signature is none: anybody could write that.
pub fn look_for(token: &str) {
    let [_, _, signature] = token.trim().split('.').collect::<Vec<_>>()[..] else { panic!("it is no token") };
    SIGNATURES.lock().unwrap_or_else(PoisonError::into_inner).insert(signature[..BEGINNING].to_owned());
}

/// Fails if there is a secret in `bytes`, without showing it.
pub fn assert_clean(what: &str, bytes: impl AsRef<[u8]>) {
    if let Some(surroundings) = leak(bytes.as_ref()) {
        panic!("a secret is in {what}: {surroundings}");
    }
}

/// What stands beside the first secret that is found.
fn leak(bytes: &[u8]) -> Option<String> {
    // What is no UTF-8 is no part of a secret.
    let text = String::from_utf8_lossy(bytes);
    let needles = [needles(), signatures(&text)].concat();
    let hide = |text: &str| needles.iter().fold(text.to_owned(), |text, needle| text.replace(needle, "[SECRET]"));
    needles.iter().find_map(|needle| {
        let (before, after) = text.split_once(needle)?;
        let before: Vec<char> = before.chars().rev().take_while(|character| *character != '\n').take(200).collect();
        let after: String = after.chars().take_while(|character| *character != '\n').take(200).collect();
        Some(hide(&format!("{}{needle}{after}", before.iter().rev().collect::<String>())))
    })
}

/// The word, and what base64 makes of it after any text before it.
fn needles() -> Vec<String> {
    let mut needles = vec![WORD.to_owned()];
    for alphabet in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            let text = alphabet.encode([&b"   "[..before], WORD.as_bytes()].concat());
            // Only characters that hold nothing of what stands beside the word: six bits are one.
            let (first, end) = ((8 * before).div_ceil(6), 8 * (before + WORD.len()) / 6);
            needles.push(text[first..end].to_owned());
        }
    }
    needles.sort();
    needles.dedup();
    needles
}

/// The signatures that are in a text. A token's stands behind a dot: one look at each word is enough, however many tokens there are.
fn signatures(text: &str) -> Vec<String> {
    let known = SIGNATURES.lock().unwrap_or_else(PoisonError::into_inner);
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let found = words.filter(|word| word.get(..BEGINNING).is_some_and(|beginning| known.contains(beginning)));
    found.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn a_token_is_found_by_its_signature() {
    let (signature, before) = ("Zm9yIHRoaXMgdGVzdCBvbmx5-_0", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0");
    let token = format!("{before}.{signature}");
    assert_eq!(leak(token.as_bytes()), None, "nobody has made it yet");
    look_for(&format!("{token}\n"));
    for text in [
        token.clone(),
        format!("Authorization: Bearer {token}\r\n"),
        format!("{{\"token\":\"{token}\"}}"),
        token[..token.len() - 8].to_owned(),
        signature.to_owned(),
    ] {
        let shown = leak(text.as_bytes()).expect("it is found");
        assert!(shown.contains("[SECRET]") && !shown.contains(&signature[..BEGINNING]), "it is shown");
    }
    assert_eq!(leak(before.as_bytes()), None);
}

#[test]
fn a_secret_is_found_in_every_form() {
    for secret in ["hunter2", "tok-hunter2", "a:b #@/%ühunter2 ", "p:hunter2>?~\u{ff}"] {
        let json = serde_json::json!({ "password": secret }).to_string();
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for bytes in [secret.as_bytes(), json.as_bytes(), form.as_bytes(), &[b"\0\xff", secret.as_bytes()].concat()] {
            assert!(leak(bytes).is_some(), "{} bytes", bytes.len());
        }
        // Names of any length: the word begins at each of the three places that base64 knows.
        for username in ["", "a", "me", "svc", "reader"] {
            let login = format!("{username}:{secret}");
            for encoded in [STANDARD.encode(&login), URL_SAFE.encode(&login)] {
                let header = format!("Authorization: Basic {encoded}\r\n");
                assert!(leak(header.as_bytes()).is_some(), "{} bytes", login.len());
                assert!(leak(encoded.trim_end_matches('=').as_bytes()).is_some(), "{} bytes", login.len());
            }
        }
    }
}

#[test]
fn the_script_that_looks_through_the_whole_suites_output_finds_the_same() {
    let run = |command: &str| {
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/no-secrets.sh");
        std::process::Command::new(script).args(["bash", "-c", command]).output().unwrap()
    };
    for (prints, code) in [
        ("echo all is well", 0),
        ("echo all is well; exit 7", 7),
        ("echo password=hunter2", 1),
        ("echo password=hunter2 >&2", 1),
        ("printf '\\0 \\xff hunter2'", 1),
        ("printf a:hunter2 | base64", 1),
        ("printf me:hunter2 | base64", 1),
        ("printf svc:hunter2 | base64", 1),
        ("echo hunter2; exit 7", 7),
    ] {
        let output = run(prints);
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(leak(&output.stderr), None);
        assert_eq!(leak(&output.stdout).is_some(), prints.contains("hunter2"), "it prints on what it reads");
        assert_eq!(String::from_utf8_lossy(&output.stderr).contains("[SECRET]"), prints.contains("hunter2"));
    }
}

#[test]
fn what_is_no_secret_is_left_alone() {
    for text in ["", "hunter", "unter2", "reader", "Basic cmVhZGVyOnNlY3JldA==", "YOUR_PASSWORD", "aHVudGVy"] {
        assert_eq!(leak(text.as_bytes()), None, "{text}");
    }
    assert_eq!(leak(&(0..=255).collect::<Vec<u8>>()), None);
}

#[test]
fn what_is_found_is_not_shown() {
    let log = "one\npassword=hunter2 Basic cmVhZGVyOmh1bnRlcjI= user=a\ntwo";
    let shown = leak(log.as_bytes()).unwrap();
    assert!(shown == "password=[SECRET] Basic cmVhZGVyOm[SECRET]I= user=a", "it is shown");
}
