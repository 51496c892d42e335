//! Text as odd as git allows never loses a page, and what can be kept of it is kept.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{Commit, Page, Repository};

/// UTF-16 as Java writes it into JSON, where a half of a pair may stand alone.
fn units() -> impl Strategy<Value = Vec<u16>> {
    vec(prop_oneof![any::<u16>(), 0xD800..0xE000_u16, 0x20..0x7F_u16, Just(0)], 0..8)
}

/// Bytes as they may stand in a JSON text. Without 0xED: the three bytes of a surrogate count as one character.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(
        any::<u8>().prop_filter("ends the text, or escapes", |byte| !matches!(byte, 0..0x20 | b'"' | b'\\' | 0xED)),
        0..8,
    )
}

/// A JSON text, and what it says.
fn text() -> impl Strategy<Value = (Vec<u8>, String)> {
    (units(), bytes()).prop_map(|(units, bytes)| {
        let escapes = units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        let json = [b"\"", escapes.as_bytes(), b"|", &bytes, b"\""].concat();
        let said = format!("{}|{}", String::from_utf16_lossy(&units), String::from_utf8_lossy(&bytes));
        (json, said.replace('\0', "\u{FFFD}"))
    })
}

/// The document with the text in each place that is marked.
fn filled(document: &str, text: &[u8]) -> Vec<u8> {
    document.split('$').map(str::as_bytes).collect::<Vec<_>>().join(text)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn no_name_loses_a_repository((json, said) in text()) {
        let page = r#"{"isLastPage":true,"odd":$,"values":[{"id":1,"slug":"api","name":$,"description":$,"links":{"x":$},
                       "project":{"id":2,"key":"PLAT","name":$,"description":$}}]}"#;
        let page: Page<Repository> = serde_json::from_slice(&filled(page, &json)).unwrap();
        let Repository { name, description, project, .. } = &page.values[0];
        for found in [Some(name), description.as_ref(), Some(&project.name), project.description.as_ref()] {
            prop_assert_eq!(found, Some(&said));
        }
    }

    #[test]
    fn no_author_and_no_message_loses_a_commit((json, said) in text()) {
        let page = r#"{"isLastPage":true,"values":[{"id":"a","message":$,"properties":$,"parents":[{"id":"b","displayId":$}],
                       "author":{"name":$,"emailAddress":$,"displayName":$,"slug":$,"type":$,"avatarUrl":$},
                       "committer":{"name":$}}]}"#;
        let page: Page<Commit> = serde_json::from_slice(&filled(page, &json)).unwrap();
        let commit = &page.values[0];
        let author = commit.author.as_ref().unwrap();
        for found in
            [&commit.message, &author.name, &author.email_address, &author.display_name, &author.slug, &author.kind]
        {
            prop_assert_eq!(found.as_ref(), Some(&said));
        }
    }
}
