//! What callers send: JSON or a form, as DX takes both.

use axum::http::{HeaderMap, header};
use jiff::civil::Date;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::callers::Refusal;

/// What becomes of something that may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<T> {
    Keep,
    Remove,
    Set(T),
}

/// Arguments of a method. Each is taken out once; what is left was not meant for it.
pub struct Arguments(Map<String, Value>);

impl Arguments {
    /// Reads a body. Without a content type it is taken for JSON.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).map_or(Ok("application/json"), |value| value.to_str());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/json" => Self::json(body),
            "application/x-www-form-urlencoded" => Self::form(body),
            _ => Err(Refusal::InvalidArguments(
                "The content type is neither application/json nor application/x-www-form-urlencoded. Send one of these.".to_owned(),
            )),
        }
    }

    fn json(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(arguments)) => Ok(Self(arguments)),
            // Where it is, but not what stands there: it may be a password.
            Err(error) => Err(Refusal::InvalidJson(format!(
                "The body is no JSON: see line {}, column {}.",
                error.line(),
                error.column()
            ))),
            Ok(_) => {
                Err(Refusal::InvalidJson("The body is JSON, but no object. Send the arguments as {…}.".to_owned()))
            }
        }
    }

    /// `settings[name]=value` and `settings.name=value` are fields of an object.
    fn form(body: &[u8]) -> Result<Self, Refusal> {
        let mut arguments = Map::new();
        for (name, value) in form_urlencoded::parse(body) {
            let inner = name.strip_suffix(']').and_then(|name| name.split_once('[')).or_else(|| name.split_once('.'));
            let value = Value::from(value.into_owned());
            let Some((outer, inner)) = inner else {
                match arguments.get_mut(name.as_ref()) {
                    // `projects=A&projects=B`.
                    Some(Value::Array(several)) => several.push(value),
                    Some(first) => *first = Value::Array(vec![first.take(), value]),
                    None => drop(arguments.insert(name.into_owned(), value)),
                }
                continue;
            };
            // `projects[]=A`.
            let empty = if inner.is_empty() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
            match arguments.entry(outer).or_insert(empty) {
                Value::Object(fields) if !inner.is_empty() => drop(fields.insert(inner.to_owned(), value)),
                Value::Array(several) if inner.is_empty() => several.push(value),
                _ => return Err(invalid(outer, "is both a value and an object")),
            }
        }
        Ok(Self(arguments))
    }

    /// A text; None if it is missing or null.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name, "is no text")),
        }
    }

    /// A whole number, which a form has as text.
    pub fn integer(&mut self, name: &str) -> Result<Option<u64>, Refusal> {
        let number = match self.0.remove(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| invalid(name, "is no whole number"))
    }

    /// A date; null or nothing removes the one before.
    pub fn date(&mut self, name: &str) -> Result<Change<Date>, Refusal> {
        match self.0.remove(name) {
            None => Ok(Change::Keep),
            Some(Value::Null) => Ok(Change::Remove),
            Some(Value::String(text)) if text.is_empty() => Ok(Change::Remove),
            Some(Value::String(text)) => {
                text.parse().map(Change::Set).map_err(|_| invalid(name, "is no date such as 2027-01-31"))
            }
            Some(_) => Err(invalid(name, "is no date such as 2027-01-31")),
        }
    }

    /// Several texts; one alone stands for a list of one.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>, Refusal> {
        let several = match self.0.remove(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(several)) => several,
            Some(one) => vec![one],
        };
        let text = |value| if let Value::String(text) = value { Some(text) } else { None };
        several.into_iter().map(text).collect::<Option<_>>().ok_or_else(|| invalid(name, "is no list of texts"))
    }

    /// The fields of an object; none if it is missing.
    pub fn object(&mut self, name: &str) -> Result<Self, Refusal> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(Self(Map::new())),
            Some(Value::Object(fields)) => Ok(Self(fields)),
            Some(_) => Err(invalid(name, "is no object")),
        }
    }

    /// Nothing may be left: what is misspelt would otherwise be left out without a word.
    pub fn end(self, of: &str) -> Result<(), Refusal> {
        let Some(name) = self.0.keys().next() else { return Ok(()) };
        Err(invalid(&format!("{of}{name}"), "is not known to this method"))
    }
}

/// What is wrong with an argument. Its value is not repeated: it may be a password in the wrong place.
pub fn invalid(name: &str, wrong: &str) -> Refusal {
    let name: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
    Refusal::InvalidArguments(format!("The argument {name} {wrong}. Correct it; docs/data-cloud-api.md has them all."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, body: &str) -> Result<Map<String, Value>, &'static str> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        Arguments::read(&headers, body.as_bytes()).map(|read| read.0).map_err(|refusal| refusal.error())
    }

    #[test]
    fn a_form_says_what_json_says() {
        let json = serde_json::json!({"label": "a b", "settings": {"bitbucket_data_center_username": "svc"},
            "projects": ["A", "B"], "repositories": ["A/x"]});
        assert_eq!(read("application/json; charset=utf-8", &json.to_string()), Ok(json.as_object().unwrap().clone()));
        for settings in ["settings[bitbucket_data_center_username]", "settings.bitbucket_data_center_username"] {
            let form = format!("label=a+b&{settings}=svc&projects[]=A&projects[]=B&repositories[]=A%2Fx");
            assert_eq!(read("application/x-www-form-urlencoded", &form), Ok(json.as_object().unwrap().clone()));
        }
        let twice = read("application/x-www-form-urlencoded", "projects=A&projects=B").unwrap();
        assert_eq!(twice["projects"], serde_json::json!(["A", "B"]));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (kind, body, error) in [
            ("application/json", "", "invalid_json"),
            ("application/json", "{\"a\": hunter2}", "invalid_json"),
            ("application/json", "[1]", "invalid_json"),
            ("text/plain", "{}", "invalid_arguments"),
            ("application/x-www-form-urlencoded", "settings=1&settings[a]=2", "invalid_arguments"),
        ] {
            assert_eq!(read(kind, body), Err(error), "{body}");
        }
    }

    #[test]
    fn each_argument_is_what_it_should_be_or_refused() {
        let of = |value: Value| Arguments(Map::from_iter([("a".to_owned(), value)]));
        assert_eq!(of(Value::from(7)).integer("a"), Ok(Some(7)));
        assert_eq!(of(Value::from("7")).integer("a"), Ok(Some(7)));
        assert_eq!(of(Value::Null).date("a"), Ok(Change::Remove));
        assert_eq!(of(Value::from("2027-01-31")).date("b"), Ok(Change::Keep));
        assert_eq!(of(Value::from("2027-01-31")).date("a"), Ok(Change::Set(jiff::civil::date(2027, 1, 31))));
        assert_eq!(of(Value::from("A")).texts("a"), Ok(vec!["A".to_owned()]));
        for wrong in [
            of(Value::from(-1)).integer("a").err(),
            of(Value::from(1)).text("a").err(),
            of(Value::from("31.1.2027")).date("a").err(),
            of(Value::from(vec![1])).texts("a").err(),
            of(Value::from("x")).object("a").err(),
            of(Value::from("hunter2")).end("").err(),
        ] {
            let Some(Refusal::InvalidArguments(message)) = wrong else { panic!("{wrong:?}") };
            assert!(message.starts_with("The argument a ") && !message.contains("hunter2"), "{message}");
        }
    }
}
