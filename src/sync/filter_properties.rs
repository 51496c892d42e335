//! The patterns of an import filter against a second reading of them, and against those who write many stars.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::filter::Filter;
use crate::api::spec::{ImportFilter, ImportMode, PersonalProjects};
use crate::bitbucket::model::{Project, Repository};

fn repository(key: &str, slug: &str) -> Repository {
    let json = serde_json::json!({"id": 1, "slug": slug, "project": {"id": 1, "key": key}});
    let repository: Repository = serde_json::from_value(json).unwrap();
    let Project { key: kept, .. } = &repository.project;
    assert_eq!(kept, key);
    repository
}

fn filter(mode: ImportMode, projects: Vec<String>, repositories: Vec<String>) -> Filter {
    Filter::from(&ImportFilter { mode, projects, repositories, personal_projects: PersonalProjects::Include })
}

/// Letter by letter: which beginnings of the text the pattern covers so far.
fn covers(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut covered = vec![false; text.len() + 1];
    covered[0] = true;
    for letter in pattern.to_lowercase().chars() {
        let before = covered.clone();
        for end in 0..covered.len() {
            covered[end] = match (letter, end.checked_sub(1)) {
                ('*', None) => before[end],
                ('*', Some(last)) => before[end] || (covered[last] && text[last] != '/'),
                (_, None) => false,
                (_, Some(last)) => before[last] && text[last] == letter,
            };
        }
    }
    covered[text.len()]
}

/// Few letters, so that stars have many places to end at.
fn pattern() -> impl Strategy<Value = String> {
    vec(select(vec!["*", "*", "a", "A", "b", "ab", "-", "é", "İ", "ß", "~"]), 0..7).prop_map(|parts| parts.concat())
}

fn name() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "a", "A", "b", "ab", "-", "é", "İ", "ß", "~", "*"]), 0..7).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn patterns_cover_what_a_second_reading_says(
        projects in vec(pattern(), 0..3),
        repositories in vec((pattern(), select(vec!["/", "/", "/", "", "//"]), pattern()), 0..3),
        (key, slug) in (name(), name()),
    ) {
        let repositories: Vec<String> =
            repositories.iter().map(|(project, slash, slug)| format!("{project}{slash}{slug}")).collect();
        let path = format!("{key}/{slug}");
        let listed = projects.iter().any(|pattern| covers(pattern, &key))
            || repositories.iter().any(|pattern| covers(pattern, &path));
        let repository = repository(&key, &slug);
        prop_assert_eq!(filter(ImportMode::Allowlist, projects.clone(), repositories.clone()).selects(&repository), listed);
        prop_assert_eq!(filter(ImportMode::Denylist, projects, repositories).selects(&repository), !listed);
    }

    #[test]
    fn any_text_is_a_pattern(pattern in any::<String>(), key in any::<String>(), slug in any::<String>()) {
        let repository = repository(&key, &slug);
        let listed = filter(ImportMode::Allowlist, vec![pattern.clone()], Vec::new()).selects(&repository);
        prop_assert_eq!(listed, covers(&pattern, &key));
        let listed = filter(ImportMode::Allowlist, Vec::new(), vec![pattern.clone()]).selects(&repository);
        prop_assert_eq!(listed, covers(&pattern, &format!("{key}/{slug}")));
    }
}

#[test]
fn many_stars_cost_no_more_than_few() {
    let slug = "a".repeat(128);
    let begun = Instant::now();
    for stars in ["*a", "*a*", "**a", "*aa"] {
        let pattern = format!("*/{}b", stars.repeat(40));
        assert!(!filter(ImportMode::Allowlist, Vec::new(), vec![pattern; 50]).selects(&repository("PLAT", &slug)));
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}
