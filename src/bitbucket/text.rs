//! Text as it comes from git: not always what JSON or UTF-8 allow.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

const REPLACEMENT: &str = "\u{FFFD}";

/// Reads a string leniently: lone surrogates and bytes that are not UTF-8 become U+FFFD, and so does U+0000,
/// which PostgreSQL cannot hold. A commit is not lost because somebody's name is odd. null is None.
pub(super) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Text;

    impl<'de> Visitor<'de> for Text {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or null")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(if text.contains('\0') { text.replace('\0', REPLACEMENT) } else { text.to_owned() }))
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            match std::str::from_utf8(bytes) {
                Ok(text) => self.visit_str(text),
                Err(_) => self.visit_str(&decode(bytes)),
            }
        }

        fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            // serde_json hands out bytes without judging them, lone surrogates in their three-byte form.
            deserializer.deserialize_bytes(self)
        }
    }

    deserializer.deserialize_option(Text)
}

/// The same, and empty for null: for names, without which a repository is still one.
pub(super) fn lenient_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(lenient(deserializer)?.unwrap_or_default())
}

/// The same where null is no answer: for what names a project or a repository.
pub(super) fn lenient_not_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    lenient(deserializer)?.ok_or_else(|| de::Error::invalid_type(de::Unexpected::Unit, &"a string"))
}

fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        text.push_str(chunk.valid());
        rest = &rest[chunk.valid().len()..];
        if rest.is_empty() {
            break;
        }
        text.push_str(REPLACEMENT);
        let surrogate = matches!(rest, [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..]);
        rest = &rest[if surrogate { 3 } else { chunk.invalid().len() }..];
    }
    text
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Holder {
        #[serde(default, deserialize_with = "super::lenient")]
        text: Option<String>,
    }

    #[derive(Deserialize)]
    struct Named {
        #[serde(deserialize_with = "super::lenient_not_null")]
        key: String,
    }

    fn read(json: &[u8]) -> Option<String> {
        serde_json::from_slice::<Holder>(json).unwrap().text
    }

    #[test]
    fn odd_text_is_kept_as_far_as_it_can_be() {
        assert_eq!(read(br#"{"text":"a\nb"}"#).as_deref(), Some("a\nb"));
        assert_eq!(read(r#"{"text":"Zoë 😀"}"#.as_bytes()).as_deref(), Some("Zoë 😀"));
        assert_eq!(read(br#"{"text":"\ud83d\ude00"}"#).as_deref(), Some("😀"));
        assert_eq!(read(br#"{"text":"a\ud83db"}"#).as_deref(), Some("a\u{FFFD}b"));
        assert_eq!(read(br#"{"text":"a\u0000b"}"#).as_deref(), Some("a\u{FFFD}b"));
        assert_eq!(read(b"{\"text\":\"a\xE9b\xFF\"}").as_deref(), Some("a\u{FFFD}b\u{FFFD}"));
        assert_eq!(read(br#"{"text":null}"#), None);
        assert_eq!(read(b"{}"), None);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(serde_json::from_slice::<Holder>(br#"{"text":7}"#).is_err());
        let named = |json: &[u8]| serde_json::from_slice::<Named>(json).map(|named| named.key);
        assert_eq!(named(br#"{"key":"a\u0000"}"#).unwrap(), "a\u{FFFD}");
        for json in [&br#"{"key":null}"#[..], br#"{"key":7}"#, b"{}"] {
            assert!(named(json).is_err());
        }
    }
}
