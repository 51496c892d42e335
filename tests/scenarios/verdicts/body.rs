//! What an answer holds: too little, too much, or other bytes than it should.

use bitbucket_simulator::{Fault, RepositoryChange};

use super::*;
use crate::support::net::stalling;

const UNEXPECTED: &str = "Unknown Unknown UnexpectedAnswer";
/// The most that is read of an answer.
const PAGE_BOUND: u64 = 64 << 20;

#[tokio::test]
async fn what_is_no_answer() {
    let (s, _folder) = bitbucket().await;
    for (what, action, says) in [
        ("a body that ends too early", Action::CutBody(40), "broken JSON"),
        ("broken JSON", json("{\"values\":["), "broken JSON"),
        ("garbage", Action::Garbage, "broken JSON"),
        ("another shape", json("{\"a\":1}"), "another shape"),
        ("an empty body", json(""), "broken JSON"),
        ("nothing", answer(204, &[], ""), "nothing"),
    ] {
        s.faults().push(Fault::on_path("/repos", action));
        row(what, &s, case(), UNEXPECTED, says, Soon).await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let (s, _folder) = bitbucket().await;
    let says = format!("more than {PAGE_BOUND} bytes");
    for (path, bound) in [("/application-properties", 1 << 20), ("/repos", PAGE_BOUND)] {
        let says = format!("more than {bound} bytes");
        let before = s.sent();
        s.faults().push(Fault::on_path(path, Action::Flood(1 << 30)));
        row(&format!("a gigabyte from {path}"), &s, case(), UNEXPECTED, &says, Soon).await;
        let sent = s.sent() - before;
        // What is on its way when the reader leaves counts too.
        assert!(sent > bound && sent < bound + PAGE_BOUND, "{sent} bytes were taken");
    }
    let before = s.sent();
    s.faults().push(Fault::on_path("/commits", Action::Flood(1 << 30)));
    row("a gigabyte of refusal", &s, with(password("lister", "hunter2")), FORBIDDEN, "Repository read", Interval).await;
    let sent = s.sent() - before;
    assert!(sent < PAGE_BOUND, "{sent} bytes were taken, although the status says enough");
    s.configure(|settings| settings.compression = true);
    row("packed", &s, case(), GOOD, "commits can be read", Interval).await;
    let accepts =
        |seen: &bitbucket_simulator::Seen| seen.header("accept-encoding").is_some_and(|it| it.contains("gzip"));
    assert!(s.requests().iter().all(accepts), "answers may be packed");
    let before = s.sent();
    s.faults().push(Fault::on_path("/repos", Action::Flood(1 << 30)));
    row("a gigabyte, packed into one megabyte", &s, case(), UNEXPECTED, &says, Soon).await;
    let sent = s.sent() - before;
    assert!(sent < 2 << 20, "{sent} bytes");
}

#[tokio::test]
async fn bytes_that_are_no_text() {
    let (s, _folder) = bitbucket().await;
    let name = Some("Zoë".to_owned());
    let change = RepositoryChange { name: name.clone(), description: name, ..RepositoryChange::default() };
    s.change_repository("PLAT/api", change).unwrap();
    let replaced = |text: &str, bytes: &[u8]| {
        s.faults().push(Fault::new(Action::ReplaceBytes(text.to_owned(), bytes.to_vec())));
    };
    // ISO-8859-1: not a connection is lost for a name, nor a refusal for how it is worded.
    replaced("Zoë", b"Zo\xEB");
    row("in names", &s, case(), GOOD, "commits can be read", Interval).await;
    replaced("credentials", b"cr\xE9dentials");
    row("in a refusal", &s, with(password("reader", "wrong-hunter2")), BAD, "Correct the password", Never).await;
    s.configure(|settings| settings.basic_authentication = false);
    replaced("instance", b"\xEEnstance");
    row("in a refusal without envelope", &s, case(), BAD, "HTTP access token", Hour).await;
    s.configure(|settings| settings.basic_authentication = true);
    // What is asked with must be right to the byte: a slug that cannot be read cannot be asked for.
    replaced("\"slug\":\"api\"", b"\"slug\":\"\xE9\"");
    row("in a slug", &s, case(), UNEXPECTED, "broken JSON", Soon).await;
    replaced("8.19.4", b"8.\xE9");
    row("in the version", &s, case(), UNEXPECTED, "broken JSON", Soon).await;
    s.faults().push(Fault::on_path("/repos", answer(200, &[("Content-Type", "application/json")], "\u{feff}{}")));
    row("a byte order mark", &s, case(), UNEXPECTED, "broken JSON", Soon).await;
}

#[tokio::test]
async fn what_cannot_be_unpacked() {
    let (s, _folder) = bitbucket().await;
    let header = b"\x1F\x8B\x08\0\0\0\0\0\0\x03";
    for (what, body) in [
        ("said to be packed", &b"{\"version\":\"8.19.4\"}"[..]),
        ("no data", &[&header[..], b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"].concat()),
        ("a checksum of something else", &[&header[..], b"\x03\0", &[7; 8]].concat()),
    ] {
        let headers = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ";
        let answer = [format!("{headers}{}\r\n\r\n", body.len()).as_bytes(), body].concat();
        let url = Some(format!("http://{}", stalling(answer).await));
        row(what, &s, Case { url, ..case() }, UNEXPECTED, "broken JSON", Soon).await;
    }
}
