//! What docs/metrics.md says of each metric, and what the page does.

use std::collections::{BTreeMap, BTreeSet};

use super::PREFIX;

pub const TEXT: &str = include_str!("../../../docs/metrics.md");

/// A family of metrics on the page: its type, and each label's values.
type Family<'a> = (&'a str, BTreeMap<&'a str, BTreeSet<&'a str>>);

/// Each metric of the page has its row, and each row its metric.
pub fn have_all(page: &str) {
    let families = families(page);
    assert_eq!(documented(&families), families.into_keys().collect(), "docs/metrics.md");
}

/// What is on the page, by the names that are asked for.
fn families(page: &str) -> BTreeMap<String, Family<'_>> {
    let mut families = BTreeMap::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, type_) = line.split_once(' ').unwrap();
        let suffix = match type_ {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let mut labels = BTreeMap::<_, BTreeSet<_>>::new();
        let of_it = |line: &str| {
            let end = line.strip_prefix(name).and_then(|rest| rest.split(['{', ' ']).next());
            end.is_some_and(|end| ["", "_total", "_info", "_count"].contains(&end))
        };
        for line in page.lines().filter(|line| of_it(line) && line.contains('{')) {
            let (list, _) = line.split_once('{').unwrap().1.rsplit_once("\"}").unwrap();
            for (label, value) in list.split("\",").filter_map(|label| label.split_once("=\"")) {
                labels.entry(label).or_default().insert(value);
            }
        }
        families.insert(format!("{name}{suffix}"), (type_, labels));
    }
    families
}

/// Those that docs/metrics.md has a row for, which must say the type, the labels and, where they are few, their values.
fn documented(families: &BTreeMap<String, Family<'_>>) -> BTreeSet<String> {
    let rows = TEXT.lines().filter_map(|line| line.strip_prefix("| `bitbucket_connector_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split(" | ").collect();
        let name = format!("{PREFIX}{}", cells[0].trim_end_matches('`'));
        let (type_, labels) = families.get(&name).unwrap_or_else(|| panic!("docs/metrics.md: there is no {name}"));
        assert_eq!(cells[1], *type_, "{name}");
        let said: BTreeSet<_> = cells[2].split('`').skip(1).step_by(2).collect();
        for (label, values) in labels {
            assert!(said.contains(label), "{name} has a label {label}");
            let free = ["version", "code", "reason"].contains(label);
            assert!(free || values.is_subset(&said), "{name}: {label} is one of {values:?}");
        }
        assert_eq!(labels.is_empty(), said.is_empty(), "{name}: {said:?}");
        name
    })
    .collect()
}
