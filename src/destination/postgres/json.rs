//! PostgreSQL's text as JSON.

use serde_json::Value;
use tokio_postgres::types::{Kind, Type};

/// A value as the server writes it: null, a boolean, a number, JSON itself, an array of these, or else text.
pub(super) fn value(type_: &Type, text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    let found = match type_.kind() {
        Kind::Array(element) => array(element, text),
        Kind::Domain(base) => Some(value(base, Some(text))),
        _ => scalar(type_, text),
    };
    found.unwrap_or_else(|| text.into())
}

fn scalar(type_: &Type, text: &str) -> Option<Value> {
    match *type_ {
        Type::BOOL => Some((text == "t").into()),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => Some(text.parse::<i64>().ok()?.into()),
        Type::FLOAT4 | Type::FLOAT8 => serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number),
        Type::NUMERIC => numeric(text),
        Type::JSON | Type::JSONB => serde_json::from_str(text).ok(),
        Type::TIMESTAMPTZ => timestamp(text),
        _ => None,
    }
}

/// A number where it is one exactly.
fn numeric(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    let number = text.parse::<f64>().ok()?;
    let shortest = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    let same = number.to_string() == shortest;
    if same { serde_json::Number::from_f64(number).map(Value::Number) } else { None }
}

/// RFC 3339, of which PostgreSQL writes a dialect: the session's zone is UTC. Years before Christ stay as they are.
fn timestamp(text: &str) -> Option<Value> {
    let time = text.strip_suffix("+00")?.replacen(' ', "T", 1);
    Some(format!("{time}Z").into())
}

/// `{1,NULL,"a b",{…}}`.
fn array(element: &Type, text: &str) -> Option<Value> {
    // Lower bounds that are not 1 stand before it, with a =.
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let mut rest = text.chars();
    let found = (rest.next() == Some('{')).then(|| elements(element, &mut rest))??;
    rest.next().is_none().then_some(found)
}

fn elements(element: &Type, rest: &mut std::str::Chars<'_>) -> Option<Value> {
    let mut found = Vec::new();
    loop {
        let (mut text, mut quoted, mut nested) = (String::new(), false, None);
        let end = loop {
            match rest.next()? {
                '{' => nested = Some(elements(element, rest)?),
                end @ (',' | '}') => break end,
                '"' => {
                    quoted = true;
                    loop {
                        match rest.next()? {
                            '"' => break,
                            '\\' => text.push(rest.next()?),
                            other => text.push(other),
                        }
                    }
                }
                '\\' => text.push(rest.next()?),
                other => text.push(other),
            }
        };
        match nested {
            Some(nested) => found.push(nested),
            None if text.is_empty() && !quoted && found.is_empty() && end == '}' => {}
            None if text == "NULL" && !quoted => found.push(Value::Null),
            None => found.push(value(element, Some(&text))),
        }
        if end == '}' {
            return Some(found.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_type_becomes_what_it_is_in_json() {
        for (type_, text, expected) in [
            (Type::BOOL, "t", json!(true)),
            (Type::INT8, "-9223372036854775808", json!(i64::MIN)),
            (Type::FLOAT8, "1.5", json!(1.5)),
            (Type::FLOAT8, "NaN", json!("NaN")),
            (Type::NUMERIC, "12", json!(12)),
            (Type::NUMERIC, "0.50", json!(0.5)),
            (Type::NUMERIC, "100.00", json!(100.0)),
            (Type::NUMERIC, "0.12345678901234567890123", json!("0.12345678901234567890123")),
            (Type::NUMERIC, "99999999999999999999", json!("99999999999999999999")),
            (Type::JSONB, r#"["a", 1]"#, json!(["a", 1])),
            (Type::TIMESTAMPTZ, "2023-11-14 22:13:20.5+00", json!("2023-11-14T22:13:20.5Z")),
            (Type::TIMESTAMPTZ, "infinity", json!("infinity")),
            (Type::TEXT, "t", json!("t")),
            (Type::INTERVAL, "1 day", json!("1 day")),
            (Type::INT4_ARRAY, "{1,NULL,3}", json!([1, null, 3])),
            (Type::INT4_ARRAY, "[0:1]={1,2}", json!([1, 2])),
            (Type::INT4_ARRAY, "{{1,2},{3,4}}", json!([[1, 2], [3, 4]])),
            (Type::TEXT_ARRAY, "{}", json!([])),
            (Type::TEXT_ARRAY, r#"{a,"","NULL","b \"c\", {d}\\"}"#, json!(["a", "", "NULL", "b \"c\", {d}\\"])),
            (Type::TEXT_ARRAY, "{broken", json!("{broken")),
        ] {
            assert_eq!(value(&type_, Some(text)), expected, "{text}");
        }
        assert_eq!(value(&Type::TEXT, None), Value::Null);
    }
}
