//! Which pages of a walk can be asked for before those before them have come. Pure.

/// What is known of the pages to come. Nothing that is stored depends on it: where it is wrong, requests are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Nothing yet.
    Unknown,
    /// So many commits are in the range.
    Counted(u64),
    /// One page tells where the next one starts, and no more.
    OneByOne,
}

impl Course {
    /// Whether the page that starts there is to be asked for with a count. The server looks at every commit for it, so it is
    /// not asked before it is known that one page is not enough.
    pub fn needs_count(self, start: u64) -> bool {
        self == Self::Unknown && start > 0
    }

    /// What follows from an answer to that.
    pub fn counted(total: Option<u64>) -> Self {
        total.map_or(Self::OneByOne, Self::Counted)
    }

    /// Where the page starts that follows the one that starts there, if each has so many commits.
    pub fn following(self, start: u64, step: u64) -> Option<u64> {
        let Self::Counted(total) = self else { return None };
        start.checked_add(step).filter(|next| *next < total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_asked_for_once_and_not_for_a_single_page() {
        assert!(!Course::Unknown.needs_count(0) && Course::Unknown.needs_count(100));
        assert_eq!(Course::counted(Some(300)), Course::Counted(300));
        // A server that does not count.
        assert_eq!(Course::counted(None), Course::OneByOne);
        assert!(!Course::Counted(300).needs_count(100) && !Course::OneByOne.needs_count(100));
    }

    #[test]
    fn nothing_is_asked_for_behind_the_end() {
        let course = Course::Counted(301);
        assert_eq!([100, 200, 300].map(|start| course.following(start, 100)), [Some(200), Some(300), None]);
        assert_eq!(Course::Counted(300).following(200, 100), None);
        assert_eq!(Course::Counted(u64::MAX).following(u64::MAX - 1, 100), None);
        assert_eq!([Course::Unknown, Course::OneByOne].map(|course| course.following(0, 100)), [None, None]);
    }
}
