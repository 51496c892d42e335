//! How much is believed of a server: sizes, counts and names. Whoever may write a BitbucketConnection chooses the
//! server, and the process is everybody's.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A page of 1,000 repositories takes about 2 MB, one of 100 commits with long messages may take more. Bytes.
pub(super) const PAGE_BODY: usize = 64 << 20;

/// Every other answer takes a few kilobytes. Bytes.
pub(super) const SMALL_BODY: usize = 1 << 20;

/// Bodies of more than [`SMALL_BODY`] that are read at a time, in the whole process.
pub(super) const LARGE_BODIES: usize = 2;

/// Items of a page, and parents of a commit. No more are ever asked for; servers clamp it silently to their own cap.
pub const PAGE_LIMIT: u32 = 1000;

/// Bitbucket's own limit for keys and slugs is 128 characters. Bytes.
const NAME: usize = 512;

/// Pages in a row without anything in them. Rows that the account may not see leave pages short or empty.
pub const EMPTY_PAGES: u32 = 1000;

/// Repositories of one listing.
pub(super) const REPOSITORIES: usize = 1_000_000;

/// Reads a list of at most [`PAGE_LIMIT`] items.
pub(super) fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {PAGE_LIMIT}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() >= PAGE_LIMIT as usize {
                    return Err(de::Error::invalid_length(items.len() + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items(PhantomData))
}

/// Reads a number that nothing depends on but how fast pages come. What is none is skipped, however long it is.
pub(super) fn lenient_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?;
    Ok(text.get().parse().ok())
}

/// Reads a project's key or a repository's slug: they become parts of paths, messages and log lines.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.len() > NAME || name.chars().any(char::is_control) {
        return Err(de::Error::custom("no key or slug of Bitbucket's"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use crate::bitbucket::model::{Commit, Page, Repository};

    #[test]
    fn a_page_holds_what_was_asked_for_and_not_more() {
        let page = |count: usize| format!(r#"{{"isLastPage":true,"values":[{}]}}"#, vec!["7"; count].join(","));
        assert_eq!(serde_json::from_str::<Page<u8>>(&page(1000)).unwrap().values.len(), 1000);
        assert!(serde_json::from_str::<Page<u8>>(&page(1001)).is_err());
        let commit = |parents: &str| serde_json::from_str::<Commit>(&format!(r#"{{"id":"a","parents":{parents}}}"#));
        assert!(commit("null").is_err() && serde_json::from_str::<Commit>(r#"{"id":"a"}"#).is_err());
        assert!(commit("[]").unwrap().parents.is_empty());
        assert_eq!(commit(r#"[{"id":"b"}]"#).unwrap().parents.len(), 1);
        assert!(commit(&format!("[{}]", vec![r#"{"id":"b"}"#; 1001].join(","))).is_err());
    }

    #[test]
    fn a_count_is_a_number_or_nothing_matters() {
        for (count, read) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("1e99", None),
            ("true", None),
            ("null", None),
            ("\"7\"", None),
            ("[1,[2]]", None),
            (r#"{"a":{"b":[7]}}"#, None),
        ] {
            let page = format!(r#"{{"isLastPage":true,"values":[],"totalCount":{count},"start":{count}}}"#);
            let page: Page<u8> = serde_json::from_str(&page).unwrap();
            assert_eq!((page.total_count, page.start), (read, read), "{count}");
        }
    }

    #[test]
    fn a_name_is_short_and_plain() {
        let read = |key: &str, slug: &str| {
            let project = serde_json::json!({"id": 2, "key": key, "name": ""});
            serde_json::from_value::<Repository>(serde_json::json!({"id": 1, "slug": slug, "project": project}))
        };
        assert!(read("~jané.doe", &"s".repeat(128)).is_ok());
        for (key, slug) in [("PLAT", "a\nb"), ("PL\u{7f}AT", "a"), ("PLAT", &"s".repeat(513))] {
            assert!(read(key, slug).is_err(), "{key:?}");
        }
    }
}
