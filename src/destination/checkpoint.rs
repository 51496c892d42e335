//! What a page makes of the walk under way: the same in every database. Pure.

use super::model::{Checkpoint, Last, Next, Page, Position, Stored};

/// What a page is to the walk under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Its next page.
    GoesOn(Checkpoint),
    /// The first page of another walk. The one under way is given up, with the rows that it has stored.
    Anew(Option<Checkpoint>),
}

impl Begun {
    /// Of the walk under way, when this page comes.
    pub fn of(walk: Option<Checkpoint>, page: &Page) -> Self {
        match walk {
            Some(walk) if walk.target == page.target && walk.since == page.since => Self::GoesOn(walk),
            walk => Self::Anew(walk),
        }
    }
}

/// Where a stored page leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then<'a> {
    /// To another page.
    Page(Checkpoint),
    /// To the end of this walk, if its rows prove it.
    End(Checkpoint, &'a Last),
}

impl Checkpoint {
    /// At the first page of a walk, where `after_id` is the highest id that a row has.
    pub(super) fn first(page: &Page, after_id: i64) -> Self {
        let (target, since) = (page.target.clone(), page.since.clone());
        Self { target, since, next_start: 0, after_id, closed_id: after_id }
    }

    /// What follows a page, where `open` is the first row of the walk that lacks a parent, as far as somebody has
    /// [looked](Next::may_close).
    pub(super) fn then(self, next: &Next, open: Option<i64>) -> Then<'_> {
        match next {
            Next::Last(last) => Then::End(self, last),
            Next::PageUnlessClosed(_, last) if open.is_none() => Then::End(self, last),
            Next::Page(start) | Next::PageUnlessClosed(start, _) => {
                let closed_id = open.map_or(self.closed_id, |open| open - 1);
                Then::Page(Self { next_start: *start, closed_id, ..self })
            }
        }
    }
}

impl Next {
    /// Whether the page may be the last because every parent is stored by now.
    pub(super) const fn may_close(&self) -> bool {
        matches!(self, Self::PageUnlessClosed(..))
    }
}

impl Stored {
    /// A page that another one follows.
    pub(super) const fn page(head: Option<String>, walk: Checkpoint, added: u64, removed: u64) -> Self {
        Self { position: Position { head, walk: Some(walk) }, added, removed }
    }

    /// The last page, after which the set is the target's.
    pub(super) const fn end(target: String, added: u64, removed: u64) -> Self {
        Self { position: Position { head: Some(target), walk: None }, added, removed }
    }

    /// A walk that was given up: the set stays the head's.
    pub(super) const fn abandoned(head: Option<String>, removed: u64) -> Self {
        Self { position: Position { head, walk: None }, added: 0, removed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(target: &str, since: Option<&str>, next: Next) -> Page {
        Page { target: target.to_owned(), since: since.map(str::to_owned), commits: Vec::new(), next }
    }

    #[test]
    fn a_walk_is_its_target_and_its_since() {
        let first = page("b", Some("a"), Next::Page(7));
        let walk = Checkpoint::first(&first, 40);
        assert_eq!(Begun::of(Some(walk.clone()), &first), Begun::GoesOn(walk.clone()));
        for other in [page("c", Some("a"), Next::Page(7)), page("b", None, Next::Page(7))] {
            assert_eq!(Begun::of(Some(walk.clone()), &other), Begun::Anew(Some(walk.clone())), "{other:?}");
        }
        assert_eq!(Begun::of(None, &first), Begun::Anew(None));
    }

    #[test]
    fn a_walk_ends_with_its_last_page_or_where_nothing_is_open() {
        let walk = Checkpoint::first(&page("b", None, Next::Page(7)), 40);
        let last = Last { branch: None, confirmed: false };
        let at = |next_start, closed_id| Then::Page(Checkpoint { next_start, closed_id, ..walk.clone() });
        assert_eq!(walk.clone().then(&Next::Page(7), None), at(7, 40));
        assert_eq!(walk.clone().then(&Next::PageUnlessClosed(7, last.clone()), Some(45)), at(7, 44));
        let end = Then::End(walk.clone(), &last);
        assert_eq!(walk.clone().then(&Next::PageUnlessClosed(7, last.clone()), None), end);
        assert_eq!(walk.clone().then(&Next::Last(last.clone()), None), end);
    }
}
