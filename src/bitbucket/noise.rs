//! Foreign bytes for the properties: documents that were valid once, and others that never were.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

/// What servers, proxies and attackers leave in a document.
const FRAGMENTS: &[&[u8]] = &[
    b"null",
    b"true",
    b"-1",
    b"0.5",
    b"1e999",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\xFF",
    b"\xED\xA0\x80",
    b"\0",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"{}",
    b"[]",
    b"\"\"",
    b"<html>",
];

/// One of these documents, with some bytes taken out and others put in.
pub(super) fn broken(valid: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let insert = prop_oneof![select(FRAGMENTS).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..4)];
    let edit = (any::<Index>(), 0..8_usize, insert);
    (select(valid), vec(edit, 0..6)).prop_map(|(document, edits)| {
        let mut bytes = document.as_bytes().to_vec();
        for (at, remove, insert) in edits {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + remove);
            bytes.splice(at..end, insert);
        }
        bytes
    })
}

/// One of these documents, still JSON, with other values in some places.
pub(super) fn changed(valid: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    (select(valid), vec((any::<Index>(), json()), 0..4)).prop_map(|(document, edits)| {
        let mut value: Value = serde_json::from_str(document).unwrap();
        for (place, other) in edits {
            let mut places = Vec::new();
            pointers(&value, String::new(), &mut places);
            *value.pointer_mut(&places[place.index(places.len())]).unwrap() = other;
        }
        value.to_string().into_bytes()
    })
}

/// Brackets so deep that a reader that calls itself for each of them runs out of stack.
pub(super) fn nested() -> impl Strategy<Value = Vec<u8>> {
    let opening =
        vec!["[", "{\"values\":", "{\"values\":[{\"x\":", "{\"errors\":[{\"context\":", "[{\"id\":1,\"project\":"];
    (select(opening), 1..20_000_usize, any::<bool>()).prop_map(|(opening, depth, whole)| {
        let mut text = opening.repeat(depth);
        if whole {
            let close = |bracket| match bracket {
                '{' => Some('}'),
                '[' => Some(']'),
                _ => None,
            };
            let closing: String = opening.chars().rev().filter_map(close).collect();
            text.push_str("null");
            text.push_str(&closing.repeat(depth));
        }
        // In a field that nobody reads, and at the top.
        if depth % 2 == 0 { format!("{{\"odd\":{text}}}").into_bytes() } else { text.into_bytes() }
    })
}

/// Any small document.
pub(super) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(NAMES), inner), 0..4).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}

/// Names that mean something somewhere.
const NAMES: &[&str] = &[
    "values",
    "isLastPage",
    "nextPageStart",
    "id",
    "slug",
    "name",
    "project",
    "key",
    "errors",
    "exceptionName",
    "message",
];

fn pointers(value: &Value, here: String, all: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| pointers(item, format!("{here}/{index}"), all));
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                pointers(field, format!("{here}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        _ => {}
    }
    all.push(here);
}
