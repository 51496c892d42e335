//! From Bitbucket's answers to rows.

use jiff::Timestamp;

use crate::bitbucket::{BaseUrl, model};
use crate::destination::{Author, Commit, Listing, Project, Repository};

/// One line of the listing as rows.
pub(super) fn listing(base: &BaseUrl, repository: &model::Repository, allowlisted: bool) -> Listing {
    let model::Repository { id, slug, name, description, public, archived, project } = repository;
    Listing {
        repository: Repository {
            source_id: *id,
            slug: slug.clone(),
            name: name.clone(),
            description: description.clone(),
            public: *public,
            archived: *archived,
            source_url: base.browse(&project.key, slug),
        },
        project: Project {
            source_id: project.id,
            key: project.key.clone(),
            name: project.name.clone(),
            description: project.description.clone(),
            public: project.public,
            source_url: base.project(&project.key),
        },
        allowlisted,
    }
}

/// One commit as a row. None where an id is not one of git's as Bitbucket knows them: such an answer is not Bitbucket's.
pub(super) fn commit(base: &BaseUrl, commit: model::Commit) -> Option<Commit> {
    let parents: Vec<String> = commit.parents.into_iter().map(|parent| parent.id).collect();
    if !is_sha(&commit.id) || !parents.iter().all(|parent| is_sha(parent)) {
        return None;
    }
    Some(Commit {
        sha: commit.id,
        parents,
        author: commit.author.map(|person| author(base, person)),
        created: commit.author_timestamp.map(timestamp),
        committed: commit.committer_timestamp.map(timestamp),
        message: commit.message.unwrap_or_default(),
    })
}

/// Whether the text is a full commit id: 40 lower-case hexadecimal digits.
pub(super) fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn author(base: &BaseUrl, person: model::Person) -> Author {
    let display = person.display_name.filter(|name| !name.is_empty());
    Author {
        account: person.id,
        // For an account `name` is the login, which is no name to show.
        name: display.or(person.name),
        email: person.email_address,
        active: person.active,
        bot: person.kind.as_deref() == Some("SERVICE"),
        source_url: person.slug.map(|slug| base.user(&slug)),
    }
}

/// RFC 3339 in UTC. Git takes any number for a time; one beyond the calendar becomes its nearest end.
fn timestamp(milliseconds: i64) -> String {
    let nearest = if milliseconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(milliseconds).unwrap_or(nearest).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_never_lose_a_commit() {
        assert_eq!(timestamp(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert!(timestamp(i64::MAX).starts_with("9999-"));
        assert!(timestamp(i64::MIN).starts_with("-009999-"));
    }

    #[test]
    fn an_account_is_shown_by_its_full_name() {
        let base = BaseUrl::parse("https://git.example.com/x").unwrap();
        let person: model::Person = serde_json::from_str(
            r#"{"name":"jdoe","emailAddress":"j@x","id":7,"displayName":"Jane Doe","slug":"jdoe","type":"SERVICE"}"#,
        )
        .unwrap();
        let author = author(&base, person);
        assert_eq!((author.name.as_deref(), author.account, author.bot), (Some("Jane Doe"), Some(7), true));
        assert_eq!(author.source_url.as_deref(), Some("https://git.example.com/x/users/jdoe"));
    }

    #[test]
    fn an_id_that_is_not_gits_is_refused() {
        let base = BaseUrl::parse("https://git.example.com").unwrap();
        let good = "abcdef0123456789abcdef0123456789abcdef01";
        let of = |id: &str, parent: &str| {
            let model = serde_json::json!({"id": id, "parents": [{"id": parent}]});
            commit(&base, serde_json::from_value(model).unwrap())
        };
        assert!(of(good, good).is_some());
        // The last is one of git's repositories with SHA-256.
        for id in ["", "main", &good.to_uppercase(), &good[1..], &format!("{good}0"), &"a1".repeat(32)] {
            assert_eq!((of(id, good), of(good, id)), (None, None), "{id}");
        }
    }
}
