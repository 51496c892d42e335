use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Hold;
use crate::refusal::Refusal;

/// What happens to a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// Bitbucket refuses, whatever it would have said. The credential is checked first: a wrong one is refused as such.
    Refuse(Refusal),
    /// A proxy answers in Bitbucket's place: none of Bitbucket's headers, and the credential is not looked at.
    Status {
        /// The status.
        status: u16,
        /// Its headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Its body.
        #[serde(default)]
        body: String,
    },
    /// A login page with status 200, as a single sign-on proxy answers.
    Html200,
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        #[serde(default = "found")]
        status: u16,
        /// Where to.
        location: String,
    },
    /// 200 and `application/json`, but not JSON.
    Garbage,
    /// Not HTTP: these bytes, and the connection ends.
    Raw(String),
    /// The answer comes later.
    Delay(#[serde(with = "milliseconds")] Duration),
    /// The answer comes when the hold is released.
    Hold(Hold),
    /// The answer never comes.
    Hang,
    /// The connection ends without an answer.
    Drop,
    /// The right answer, but the connection ends after so many bytes of its body.
    CloseAfterBytes(usize),
    /// The right answer with a body that is cut off and said to be that long.
    CutBody(usize),
    /// The right answer, its body in portions.
    Trickle {
        /// Bytes of a portion.
        bytes: usize,
        /// Between two portions.
        #[serde(with = "milliseconds")]
        every: Duration,
    },
    /// The headers of the right answer, and so many blanks as its body. They are made as they are taken: nobody holds them.
    Flood(u64),
    /// The right answer with other bytes in place of a text, wherever it stands: a server whose text is not UTF-8.
    ReplaceBytes(String, Vec<u8>),
    /// The right answer, its JSON changed: a server that lies.
    EditJson(Vec<JsonEdit>),
    /// The right answer with a header more.
    AddHeader(String, String),
}

impl Action {
    /// A bare status.
    pub fn status(status: StatusCode) -> Self {
        Self::Status { status: status.as_u16(), headers: Vec::new(), body: String::new() }
    }

    /// Whether the request meets further faults.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Self::Delay(_) | Self::Hold(_))
    }
}

/// A change of a JSON answer. Pointers are JSON pointers (RFC 6901): `/isLastPage`, `/values/0/parents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JsonEdit {
    /// Puts a value there. The last name may be new, the object must exist.
    Set(String, Value),
    /// Removes what is there.
    Remove(String),
}

impl JsonEdit {
    /// Changes the document, or leaves it as it is where the pointer leads nowhere.
    pub(crate) fn apply(&self, document: &mut Value) {
        let (Self::Set(pointer, _) | Self::Remove(pointer)) = self;
        let Some((parent, name)) = pointer.rsplit_once('/') else { return };
        let name = name.replace("~1", "/").replace("~0", "~");
        match (document.pointer_mut(parent), self) {
            (Some(Value::Object(fields)), Self::Set(_, value)) => drop(fields.insert(name, value.clone())),
            (Some(Value::Object(fields)), Self::Remove(_)) => drop(fields.remove(&name)),
            (Some(Value::Array(items)), edit) => {
                let Some(index) = name.parse().ok().filter(|index| *index < items.len()) else { return };
                match edit {
                    Self::Set(_, value) => items[index] = value.clone(),
                    Self::Remove(_) => drop(items.remove(index)),
                }
            }
            _ => {}
        }
    }
}

fn found() -> u16 {
    302
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn edits_reach_into_a_page() {
        let mut page = json!({"values": [{"id": "a"}, {"id": "b"}], "isLastPage": false, "nextPageStart": 2});
        let edits = json!([{"remove": "/values/0"}, {"set": ["/isLastPage", true]}, {"remove": "/nextPageStart"}, {"set": ["/values/0/id", "c"]}, {"set": ["/x/y", 1]}]);
        for edit in serde_json::from_value::<Vec<JsonEdit>>(edits).unwrap() {
            edit.apply(&mut page);
        }
        assert_eq!(page, json!({"values": [{"id": "c"}], "isLastPage": true}));
    }

    #[test]
    fn actions_are_readable_json() {
        for text in [
            r#"{"delay":250}"#,
            r#""hang""#,
            r#"{"refuse":"notPermitted"}"#,
            r#"{"refuse":{"noSuchProject":{"key":"X"}}}"#,
            r#"{"hold":"door"}"#,
            r#"{"redirect":{"location":"/login"}}"#,
            r#"{"status":{"status":503}}"#,
            r#"{"closeAfterBytes":10}"#,
            r#"{"flood":1000000000}"#,
            r#"{"replaceBytes":["Zoë",[90,111,235]]}"#,
        ] {
            assert!(serde_json::from_str::<Action>(text).is_ok(), "{text}");
        }
    }
}
