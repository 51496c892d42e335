//! A database's address is understood as it stands, or refused without being repeated.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::select;

use super::url::DatabaseUrl;

fn written() -> impl Strategy<Value = String> {
    let scheme =
        select(vec!["sqlite://", "sqlite:", "SQLITE://", "postgres://u:hunter2@host/", "file:", "", " sqlite://"]);
    (scheme, any::<String>(), select(vec!["", "/", "//", "/hunter2.db", "?password=hunter2"]))
        .prop_map(|(scheme, middle, end)| format!("{scheme}{middle}{end}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn an_address_is_taken_whole_or_not_repeated(text in prop_oneof![written(), any::<String>()]) {
        match text.parse() {
            Ok(DatabaseUrl::Sqlite(path)) => {
                prop_assert_eq!(Some(path.clone()), text.strip_prefix("sqlite://").map(PathBuf::from));
                prop_assert!(!path.as_os_str().is_empty() && !text.ends_with('/'));
            }
            Err(error) => {
                let text = format!("{error} {error:?}");
                prop_assert!(!text.contains("hunter2"));
            }
        }
    }
}
