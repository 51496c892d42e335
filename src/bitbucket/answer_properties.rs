//! Whatever bytes come back, they are read or refused, and nothing of them is repeated.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::answer::Answer;
use super::error::Error;
use super::model::{ApplicationProperties, Branch, Commit, Page, Repository};
use super::noise::{broken, changed, json, nested};
use super::refusal::Refusal;

/// Stands for whatever a server might quote: it is in each document, and must be in no error.
const SECRET: &str = "hunter2";

const ENVELOPES: &[&str] = &[
    r#"{"errors":[{"context":"hunter2","message":"hunter2","exceptionName":"com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"}]}"#,
    r#"{"errors":[{"context":null,"message":"hunter2","exceptionName":"com.atlassian.bitbucket.AuthorisationException"},{"context":null,"message":"hunter2","exceptionName":"com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"}]}"#,
    r#"{"errors":[{"context":null,"message":"hunter2","exceptionName":"com.atlassian.bitbucket.commit.NoSuchCommitException"}]}"#,
    r#"{"message":"Basic Authentication has been disabled on this instance. hunter2"}"#,
    r#"{"message":"HTTP 404 Not Found hunter2","status-code":404,"sub-code":-1}"#,
];

const PAGES: &[&str] = &[
    r#"{"size":1,"limit":25,"isLastPage":false,"start":0,"nextPageStart":25,"values":[{"slug":"hunter2","id":1,"name":"hunter2","description":"hunter2","hierarchyId":"a","public":false,"archived":true,"project":{"key":"PLAT","id":2,"name":"hunter2","public":false,"type":"NORMAL"},"links":{"self":[{"href":"http://x"}]}}]}"#,
    r#"{"size":1,"limit":25,"isLastPage":true,"start":0,"nextPageStart":null,"values":[{"id":"0123456789abcdef0123456789abcdef01234567","author":{"name":"hunter2","emailAddress":"hunter2@x","id":7,"displayName":"hunter2","active":true,"slug":"hunter2","type":"NORMAL"},"authorTimestamp":1700000000000,"committerTimestamp":1700000000000,"message":"hunter2","parents":[{"id":"0123456789abcdef0123456789abcdef01234568","displayId":"0123456"}]}]}"#,
    r#"{"id":"refs/heads/main","displayId":"hunter2","type":"BRANCH","latestCommit":"hunter2","isDefault":true}"#,
    r#"{"version":"8.19.4","buildNumber":"hunter2","displayName":"Bitbucket"}"#,
];

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => broken(ENVELOPES),
        3 => broken(PAGES),
        3 => changed(ENVELOPES),
        3 => changed(PAGES),
        1 => vec(any::<u8>(), 0..64).prop_map(|bytes| [bytes.as_slice(), SECRET.as_bytes()].concat()),
        1 => nested(),
    ]
}

prop_compose! {
    /// An answer, as its parts: it has no `Debug` of its own, because of its body.
    fn answers()(
        status in prop_oneof![
            Just(200_u16), Just(401), Just(403), Just(404), Just(400), 100..600_u16, any::<u16>()
        ],
        username in option::of(Just("svc".to_owned())),
        (numbered, json) in any::<(bool, bool)>(),
        retry_after in option::of(any::<u32>()),
        body in bodies(),
    ) -> (u16, Option<String>, bool, bool, Option<u32>, Vec<u8>) {
        (status, username, numbered, json, retry_after, body)
    }
}

/// The error of one reading, after what holds for each.
fn error_of<T>(answer: &Answer, read: Result<Option<T>, Error>) -> Result<Option<Error>, TestCaseError> {
    match read {
        Ok(None) => prop_assert_eq!(answer.status, 204),
        Ok(Some(_)) => prop_assert_eq!(answer.status, 200),
        Err(error) => {
            let text = format!("{error} {error:?}");
            prop_assert!(!text.contains(SECRET) && text.len() < 300, "{}", text);
            prop_assert!(!matches!(error, Error::GateClosed | Error::GateResting | Error::Stopped));
            return Ok(Some(error));
        }
    }
    Ok(None)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_answer_is_read_or_refused_and_not_repeated((status, username, numbered, json, retry_after, body) in answers()) {
        let retry_after = retry_after.map(u64::from).map(Duration::from_secs);
        let answer = Answer { status, username, numbered, json, retry_after, https: None, repository: None, body };
        let errors = [
            error_of(&answer, answer.read::<Page<Repository>>("GET x"))?,
            error_of(&answer, answer.read::<Page<Commit>>("GET x"))?,
            error_of(&answer, answer.read::<Branch>("GET x"))?,
            error_of(&answer, answer.read::<ApplicationProperties>("GET x"))?,
        ];
        if !matches!(status, 200 | 204) {
            let first = errors[0].clone();
            prop_assert!(errors.iter().all(|error| *error == first), "an error does not depend on what was wanted");
        }
    }

    /// The gate closes on this word, and for good: nobody but Bitbucket may say it.
    #[test]
    fn only_bitbucket_says_that_a_password_is_wrong((status, username, numbered, json, _, body) in answers()) {
        let document: Option<Value> = serde_json::from_slice(&body).ok();
        let name = document.as_ref().and_then(|document| document.pointer("/errors/0/exceptionName")?.as_str());
        let said = name.is_some_and(|name| name.rsplit('.').next() == Some("IncorrectPasswordAuthenticationException"));
        let readable = document.is_some();
        let answer = Answer { status, username, numbered, json, retry_after: None, https: None, repository: None, body };
        if let Err(error) = answer.read::<Branch>("GET x") {
            let heard = error.refusal() == Some(Refusal::WrongPassword);
            prop_assert!(!heard || said || !readable);
            prop_assert!(!heard || !matches!(status, 200..400 | 407 | 429 | 500..));
        }
    }

    /// Not heard, it would be asked for again and again, until the account is locked.
    #[test]
    fn a_wrong_password_is_heard_whatever_stands_beside_it(
        (beside, context, message) in (json(), json(), json()),
        name in select(vec!["message", "status-code", "odd", "Errors", "errors "]),
        (status, numbered, json) in (select(vec![401_u16, 403]), any::<bool>(), any::<bool>()),
    ) {
        let exception = "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException";
        let entry = serde_json::json!({"context": context, "message": message, "exceptionName": exception});
        let body = serde_json::json!({name: beside, "errors": [entry]}).to_string().into_bytes();
        let answer = Answer { status, username: None, numbered, json, retry_after: None, https: None, repository: None, body };
        let error = answer.read::<Branch>("GET x").unwrap_err();
        prop_assert_eq!(error.refusal(), Some(Refusal::WrongPassword));
    }
}
