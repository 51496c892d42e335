//! Every link leads to something that is there, and every page can be reached.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::{Document, document, documents, root};

/// The pages of those who work on the tests.
fn beside_tests() -> Vec<Document> {
    let folders = std::fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path().join("README.md"));
    let pages: Vec<_> = folders.filter(|path| path.exists()).map(|path| document(&path)).collect();
    assert!(pages.len() > 1);
    pages
}

/// Where the links of a page lead.
fn links(document: &Document) -> Vec<String> {
    let links = Parser::new(&document.text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    });
    links.collect()
}

/// What can follow a # in a link to this page, as GitHub makes it of the headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut found, mut heading) = (BTreeSet::new(), None);
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => found.extend(heading.take().map(|heading| anchor(&heading))),
            _ => {}
        }
    }
    found
}

fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase().replace(' ', "-");
    heading.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
}

/// The place that a link of this page names, from the root of the repository on.
fn target(document: &Document, link: &str) -> PathBuf {
    if link.is_empty() {
        return PathBuf::from(&document.path);
    }
    let mut target = PathBuf::new();
    for component in Path::new(&document.path).parent().unwrap().join(link).components() {
        if component == Component::ParentDir { assert!(target.pop(), "{link}") } else { target.push(component) }
    }
    target
}

#[test]
fn every_link_leads_somewhere() {
    let (mut followed, mut broken) = (0, Vec::new());
    for document in documents().into_iter().chain(beside_tests()) {
        for link in links(&document).iter().filter(|link| !link.starts_with("http")) {
            let (path, wanted) =
                link.split_once('#').map_or((link.as_str(), None), |(path, wanted)| (path, Some(wanted)));
            let place = root().join(target(&document, path));
            let there = wanted
                .is_none_or(|wanted| std::fs::read_to_string(&place).is_ok_and(|text| anchors(&text).contains(wanted)));
            if !place.exists() || !there {
                broken.push(format!("{}: {link}", document.path));
            }
            followed += 1;
        }
    }
    assert!(broken.is_empty() && followed > 100, "{followed} links, of which are broken: {broken:#?}");
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let documents = documents();
    let (mut seen, mut next) = (BTreeSet::new(), VecDeque::from([PathBuf::from("README.md")]));
    while let Some(path) = next.pop_front() {
        let Some(document) = documents.iter().find(|document| Path::new(&document.path) == path) else { continue };
        if seen.insert(document.path.clone()) {
            let local = links(document).into_iter().filter(|link| !link.starts_with("http"));
            next.extend(local.map(|link| target(document, link.split('#').next().unwrap())));
        }
    }
    let lost: Vec<_> = documents.iter().map(|document| &document.path).filter(|path| !seen.contains(*path)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# Who may not come in?\n\n## `spec.import`\n\n```\n# none\n```\n";
    assert_eq!(anchors(text), ["specimport", "who-may-not-come-in"].map(str::to_owned).into());
}
