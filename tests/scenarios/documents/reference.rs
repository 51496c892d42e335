//! docs/reference.md is what the types say. `make crd` writes it.

use std::fmt::Write;

use bitbucket_connector::api::crd;
use serde_json::Value;

use super::root;

const PAGE: &str = "docs/reference.md";

fn reference() -> String {
    let definition = serde_json::to_value(crd::definition().unwrap()).unwrap();
    let version = &definition["spec"]["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut page = format!(
        "# Reference\n\nEvery field of a `BitbucketConnection` (`{}/{}`), as `kubectl explain bbc.spec` says it too. \
         This page is made from the types in `src/api/`.\n\n{}\n",
        definition["spec"]["group"].as_str().unwrap(),
        version["name"].as_str().unwrap(),
        text(schema)
    );
    for part in ["spec", "status"] {
        let schema = &schema["properties"][part];
        write!(page, "\n## {part}\n\n{}\n\n| field | type | what |\n|---|---|---|\n", text(schema)).unwrap();
        fields(&mut page, "", schema);
    }
    page
}

/// The rows of the fields of an object, and of what is in them.
fn fields(page: &mut String, prefix: &str, schema: &Value) {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let what =
            [Some(text(field)).filter(|text| !text.is_empty()), bounds(field, required.contains(&name.as_str()))];
        let what = what.into_iter().flatten().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        writeln!(page, "| `{path}` | {} | {what} |", kind(field)).unwrap();
        fields(page, &format!("{path}."), field);
        fields(page, &format!("{path}[]."), &field["items"]);
    }
}

fn kind(field: &Value) -> String {
    match field["type"].as_str().unwrap() {
        "array" => format!("list of {}", kind(&field["items"])),
        "string" if field["format"] == "date-time" => "time".to_owned(),
        kind => kind.to_owned(),
    }
}

/// A paragraph on one line.
fn text(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a value must be, and what it is where nothing is said.
fn bounds(field: &Value, required: bool) -> Option<String> {
    let mut found = Vec::new();
    if required {
        found.push("Required.".to_owned());
    }
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<_> = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        found.push(format!("One of {}.", values.join(", ")));
    }
    match (field["minimum"].as_f64(), field["maximum"].as_f64()) {
        (Some(least), Some(most)) => found.push(format!("From {least} to {most}.")),
        (Some(least), None) => found.push(format!("At least {least}.")),
        (None, Some(most)) => found.push(format!("At most {most}.")),
        (None, None) => {}
    }
    // What an object is filled with, its fields say.
    if field["default"].is_string() || field["default"].is_number() || field["default"].is_boolean() {
        found.push(format!("Default: `{}`.", field["default"].to_string().trim_matches('"')));
    }
    for rule in field["x-kubernetes-validations"].as_array().into_iter().flatten() {
        found.push(format!("Rule: {}.", rule["message"].as_str().unwrap().trim_end_matches('.')));
    }
    (!found.is_empty()).then(|| found.join(" "))
}

#[test]
fn the_reference_is_what_the_types_say() {
    if std::env::var_os("WRITE_REFERENCE").is_some() {
        std::fs::write(root().join(PAGE), reference()).unwrap();
    }
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    assert!(page == reference(), "{PAGE} is another one: run make crd");
}
