//! What `/readyz` says of a namespace whose objects are not known yet.

use tokio::sync::watch;

use super::hearing::{Standing, scope};

/// What is waited for, and where that is told.
pub(super) struct Waiting {
    what: String,
    told: watch::Sender<Vec<String>>,
}

impl Waiting {
    /// For the objects of a namespace, or of all.
    pub(super) fn new(namespace: Option<&str>, told: &watch::Sender<Vec<String>>) -> Self {
        let what = format!("the API server to list the BitbucketConnections of {}", scope(namespace));
        Self { what, told: told.clone() }
    }

    /// As it is told before it is known why it takes so long.
    pub(super) fn what(&self) -> String {
        self.what.clone()
    }

    /// Nothing is waited for any more.
    pub(super) fn over(&self) {
        self.told.send_modify(|waited| waited.retain(|waited| !self.is(waited)));
    }

    /// Says why as well, where that is known now: what was known before may be mended.
    pub(super) fn note(&self, standing: Standing) {
        let told = match standing {
            Standing::Stuck(why) => format!("{}: {why}", self.what),
            Standing::Well | Standing::Failing => self.what(),
        };
        self.told.send_if_modified(|waited| {
            let own = waited.iter_mut().find(|waited| self.is(waited));
            own.is_some_and(|own| std::mem::replace(own, told.clone()) != told)
        });
    }

    fn is(&self, waited: &str) -> bool {
        waited.strip_prefix(&self.what).is_some_and(|why| why.is_empty() || why.starts_with(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_counts_as_long_as_something_is_waited_for() {
        let (told, page) = watch::channel(Vec::new());
        let [one, other] = ["a", "ab"].map(|name| Waiting::new(Some(name), &told));
        told.send_replace(vec![one.what(), other.what()]);
        let shows = |ends: [&str; 2]| {
            let shown = page.borrow();
            assert!(shown.len() == 2 && shown.iter().zip(ends).all(|(shown, end)| shown.ends_with(end)), "{shown:?}");
        };
        one.note(Standing::Stuck("it is not installed"));
        shows(["of namespace a: it is not installed", "of namespace ab"]);
        one.note(Standing::Stuck("it is forbidden"));
        shows(["of namespace a: it is forbidden", "of namespace ab"]);
        one.note(Standing::Failing);
        shows(["of namespace a", "of namespace ab"]);
        one.over();
        one.note(Standing::Stuck("it is forbidden"));
        assert_eq!(*page.borrow(), [other.what()]);
    }
}
