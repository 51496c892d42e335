//! A database's address is understood as it stands, or refused without being repeated.

use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::sample::select;

use super::url::{DatabaseUrl, InvalidDatabaseUrl};

fn written() -> impl Strategy<Value = String> {
    let scheme = select(vec![
        "sqlite://",
        "sqlite:",
        "SQLITE://",
        "postgres://u:hunter2@host/",
        "postgresql://hunter2@",
        "postgres://",
        "file:",
        "",
        " sqlite://",
    ]);
    let end = select(vec!["", "/", "//", "/hunter2.db", "?password=hunter2", "@hunter2", "?sslmode=hunter2"]);
    (scheme, any::<String>(), end).prop_map(|(scheme, middle, end)| format!("{scheme}{middle}{end}"))
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
            Ok(DatabaseUrl::Postgres(url)) => {
                prop_assert!(text.starts_with("postgres"));
                let text = format!("{url:?}");
                prop_assert!(!text.contains("hunter2"));
            }
            Err(error) => {
                let text = format!("{error} {error:?}");
                prop_assert!(!text.contains("hunter2"));
            }
        }
    }

    #[test]
    fn a_login_of_any_characters_arrives(user in "[^\u{0}]{1,20}", password in "[^\u{0}]{0,20}") {
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let text = format!("postgresql://{}:{}@db-rw.ns:5432/app", encoded(&user), encoded(&password));
        let Ok(DatabaseUrl::Postgres(url)) = text.parse() else { return Err(TestCaseError::fail("it is refused")) };
        prop_assert_eq!(url.login(), (Some(user.as_str()), Some(password.as_bytes())));
    }
}

#[test]
fn an_address_that_cannot_be_used_is_told_apart() {
    let refused = |text: &str| text.parse::<DatabaseUrl>().unwrap_err();
    for text in
        ["postgres://", "postgres:///app", "postgres://u:p@/app", "postgres://u:pa@ss@host/app", "postgres://h:x/a"]
    {
        assert_eq!(refused(text), InvalidDatabaseUrl::Host, "{text}");
    }
    for parameter in ["x", "x=1", "sslmode=yes", "sslrootcert=", "sslcert=x", "connect_timeout=soon"] {
        assert_eq!(refused(&format!("postgres://h/a?{parameter}")), InvalidDatabaseUrl::Parameter, "{parameter}");
    }
    for parameters in ["sslmode=verify-ca", "sslmode=verify-ca&sslrootcert=system", "sslmode=disable&sslrootcert=x"] {
        assert_eq!(refused(&format!("postgres://h/a?{parameters}")), InvalidDatabaseUrl::Tls, "{parameters}");
    }
    for good in [
        "postgresql://app:pw@cluster-rw.ns:5432/app",
        "postgres://u@[::1]:5433/app",
        "postgres://a,b:5433/app?target_session_attrs=read-write",
        "postgres://%2Fvar%2Frun%2Fpostgresql/app",
        "postgres://h/a?options=-c%20statement_timeout%3D2s&connect_timeout=3",
    ] {
        assert!(good.parse::<DatabaseUrl>().is_ok(), "{good}");
    }
}
