//! What is Bitbucket's own word, and what it means.

use super::*;

fn answer(status: u16, username: Option<&str>, body: &str) -> Answer {
    let username = username.map(str::to_owned);
    Answer {
        status,
        username,
        numbered: false,
        json: true,
        retry_after: None,
        https: None,
        repository: None,
        body: body.as_bytes().to_vec(),
    }
}

fn exception(name: &str) -> String {
    format!(r#"{{"errors":[{{"context":null,"message":"…","exceptionName":"com.atlassian.bitbucket.{name}"}}]}}"#)
}

fn outcome(answer: &Answer) -> Result<Refusal, Fault> {
    match answer.read::<serde_json::Value>("GET x").unwrap_err() {
        Error::Refused { refusal, .. } => Ok(refusal),
        Error::Transport { fault, .. } => Err(fault),
        Error::GateClosed | Error::GateResting | Error::Stopped => panic!("nothing was sent"),
    }
}

#[test]
fn bitbuckets_own_words_are_told_apart() {
    for (status, user, body, expected) in [
        (401, None, exception("auth.IncorrectPasswordAuthenticationException"), Refusal::WrongPassword),
        (403, None, exception("auth.CaptchaRequiredAuthenticationException"), Refusal::Captcha),
        (401, None, exception("auth.NoAccessAuthenticationException"), Refusal::NotLicensed),
        (401, Some("svc"), exception("AuthorisationException"), Refusal::Forbidden),
        (401, None, exception("AuthorisationException"), Refusal::Anonymous),
        (403, None, exception("AuthorisationException"), Refusal::Forbidden),
        (401, Some("svc"), exception("AuthenticationRequiredException"), Refusal::Anonymous),
        (401, None, exception("SomethingNew"), Refusal::Anonymous),
        (401, Some("svc"), exception("SomethingNew"), Refusal::Forbidden),
        (403, Some("svc"), exception("SomethingNew"), Refusal::Forbidden),
        (409, Some("svc"), exception("SomethingNew"), Refusal::Other),
        (404, Some("svc"), exception("project.NoSuchProjectException"), Refusal::NoSuchProject),
        (404, Some("svc"), exception("repository.NoSuchRepositoryException"), Refusal::NoSuchRepository),
        (404, Some("svc"), exception("commit.NoSuchCommitException"), Refusal::NoSuchCommit),
        (404, Some("svc"), exception("repository.NoDefaultBranchException"), Refusal::NoDefaultBranch),
        (400, Some("svc"), exception("ArgumentValidationException"), Refusal::BadRequest),
        (
            403,
            None,
            r#"{"message":"Basic Authentication has been disabled on this instance."}"#.to_owned(),
            Refusal::BasicDisabled,
        ),
        (
            404,
            None,
            r#"{"message":"HTTP 404 Not Found","status-code":404,"sub-code":-1}"#.to_owned(),
            Refusal::NoSuchRoute,
        ),
    ] {
        assert_eq!(outcome(&answer(status, user, &body)), Ok(expected), "{status} {body}");
    }
}

#[test]
fn an_envelope_of_another_program_is_not_bitbuckets() {
    for body in [
        r#"{"errors":[{"status":404,"message":"File not found."}]}"#,
        r#"{"errors":[]}"#,
        r#"{"errors":[{"code":"UNAUTHORIZED"},{"exceptionName":"x"}]}"#,
    ] {
        assert_eq!(outcome(&answer(401, None, body)), Err(Fault::Proxy(401)), "{body}");
        assert!(matches!(outcome(&answer(404, None, body)), Err(Fault::Unexpected { .. })), "{body}");
    }
    let nameless = r#"{"errors":[{"context":null,"message":"no","exceptionName":null},{}]}"#;
    assert_eq!(outcome(&answer(409, None, nameless)), Ok(Refusal::Other));
}

#[test]
fn what_is_odd_beside_an_exception_does_not_hide_it() {
    let first = exception("auth.IncorrectPasswordAuthenticationException");
    let more = first.replace("}]}", r#"},{"context":null},7]}"#);
    assert_eq!(outcome(&answer(401, None, &more)), Ok(Refusal::WrongPassword));
    let body = exception("auth.IncorrectPasswordAuthenticationException").replacen('{', r#"{"message":7,"#, 1);
    assert_eq!(outcome(&answer(401, None, &body)), Ok(Refusal::WrongPassword));
}

#[test]
fn a_proxys_word_is_not_bitbuckets() {
    assert_eq!(outcome(&answer(401, None, "<html>")), Err(Fault::Proxy(401)));
    assert_eq!(outcome(&answer(403, None, "{}")), Err(Fault::Proxy(403)));
    for status in [401, 403] {
        assert_eq!(outcome(&answer(status, Some("svc"), "")), Ok(Refusal::Forbidden));
    }
    assert_eq!(outcome(&answer(401, None, "")), Err(Fault::Proxy(401)));
    assert_eq!(outcome(&Answer { numbered: true, ..answer(401, None, "") }), Ok(Refusal::NotLicensed));
    assert_eq!(outcome(&Answer { numbered: true, ..answer(401, None, "<html>") }), Err(Fault::Proxy(401)));
    assert!(matches!(outcome(&answer(404, None, "<html>")), Err(Fault::Unexpected { .. })));
    assert_eq!(outcome(&answer(200, None, r#"{"a":"#)), Err(Fault::Broken(200)));
    assert_eq!(outcome(&answer(404, None, r#"{"errors":[{"#)), Err(Fault::Broken(404)));
    assert_eq!(outcome(&answer(403, None, r#"{"errors":[{"#)), Err(Fault::Proxy(403)));
    let mut page = answer(200, None, "<html>");
    page.json = false;
    assert!(matches!(outcome(&page), Err(Fault::Unexpected { .. })));
    assert_eq!(outcome(&answer(302, None, "")), Err(Fault::Redirect { status: 302, https: None, repository: None }));
    let wrong = exception("auth.IncorrectPasswordAuthenticationException");
    assert!(matches!(outcome(&answer(202, None, &wrong)), Err(Fault::Unexpected { .. })), "no refusal");
    assert!(matches!(outcome(&answer(503, None, "<html>")), Err(Fault::Server { status: 503, .. })));
}

#[test]
fn what_is_in_front_of_bitbucket_is_told_by_the_status() {
    let wait = Some(Duration::from_secs(7));
    let busy = |status| outcome(&Answer { retry_after: wait, ..answer(status, None, "<html>") });
    assert_eq!(busy(407), Err(Fault::Proxy(407)));
    assert_eq!(busy(429), Err(Fault::RateLimited { retry_after: wait }));
    assert_eq!(busy(503), Err(Fault::Server { status: 503, retry_after: wait }));
    let disabled = r#"{"message":"Basic Authentication has been disabled on this instance."}"#;
    assert!(matches!(outcome(&answer(404, None, disabled)), Err(Fault::Unexpected { .. })), "only with 403");
}

#[test]
fn nothing_is_an_answer_and_what_is_cut_is_not() {
    assert_eq!(answer(204, None, "").read::<serde_json::Value>("GET x"), Ok(None));
    let what = |answer: &Answer| match answer.read::<Vec<u8>>("GET x") {
        Err(Error::Transport { fault: Fault::Unexpected { what, .. }, .. }) => what,
        read => panic!("{read:?}"),
    };
    assert_eq!(what(&answer(200, None, r#"{"a":1}"#)), "JSON of another shape");
    assert_eq!(what(&Answer { json: false, ..answer(200, None, r#"{"a":1}"#) }), "a page that is not JSON");
    assert_eq!(what(&answer(404, None, "")), "a page that is not Bitbucket's");
    let page = Answer { json: false, ..answer(404, None, r#"{"errors":[{"#) };
    assert_eq!(what(&page), "a page that is not Bitbucket's");
}
