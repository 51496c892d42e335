//! Headers are a stranger's words too.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::headers::{is_json, retry_after, username};

const HOUR: Duration = Duration::from_hours(1);

fn header(name: HeaderName, value: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).ok()?)]))
}

/// Dates of all times, as a proxy writes them, and some with other letters in them.
fn dates() -> impl Strategy<Value = String> {
    let spoiled = (any::<Index>(), select(vec!["", " ", "-", "99999999999", "é", "Feb 30", "GMT", "+9999"]));
    (-400_000_000_000..400_000_000_000_i64, vec(spoiled, 0..3)).prop_filter_map(
        "beyond the calendar",
        |(second, edits)| {
            let time = Timestamp::from_second(second).ok()?;
            let mut text = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()?;
            for (at, insert) in edits {
                let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
                text.insert_str(*at.get(&places), insert);
            }
            Some(text)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn no_header_is_believed_blindly(bytes in vec(any::<u8>(), 0..40)) {
        if let Some(headers) = header(RETRY_AFTER, &bytes) {
            prop_assert!(retry_after(&headers).is_none_or(|wait| wait <= HOUR));
        }
        if let Some(headers) = header(HeaderName::from_static("x-ausername"), &bytes)
            && let Some(name) = username(&headers)
        {
            prop_assert!(!name.is_empty() && name != "anonymous" && name.trim() == name);
        }
        if let Some(headers) = header(CONTENT_TYPE, &bytes) {
            prop_assert_eq!(is_json(&headers), bytes.is_ascii() && bytes.windows(4).any(|four| four == b"json"));
        }
    }

    #[test]
    fn seconds_are_taken_up_to_an_hour(digits in "[0-9]{1,40}", before in " {0,3}", after in " {0,3}") {
        let headers = header(RETRY_AFTER, format!("{before}{digits}{after}").as_bytes()).unwrap();
        let seconds = digits.parse::<u128>().map_or(3600, |seconds| seconds.min(3600));
        prop_assert_eq!(retry_after(&headers).map(|wait| u128::from(wait.as_secs())), Some(seconds));
    }

    #[test]
    fn a_date_is_waited_for_up_to_an_hour(text in dates()) {
        if let Some(headers) = header(RETRY_AFTER, text.as_bytes()) {
            prop_assert!(retry_after(&headers).is_none_or(|wait| wait <= HOUR));
        }
    }
}
