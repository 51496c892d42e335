//! Long lists, a page at a time. Pure.

use url::form_urlencoded::Serializer;

/// Rows on a page.
pub const ROWS: usize = 50;

/// Where the neighbours of a page are.
#[derive(Debug, PartialEq, Eq)]
pub struct Paging {
    /// Of what there are pages.
    pub what: &'static str,
    /// This one, from 1 on.
    pub page: usize,
    /// All of them.
    pub pages: usize,
    /// The address of the one before it.
    pub previous: Option<String>,
    /// The address of the one after it.
    pub next: Option<String>,
}

impl Paging {
    /// The page that is wanted, or the last one. `query` is what else the address says, before `anchor`.
    pub fn new(
        what: &'static str,
        rows: usize,
        wanted: Option<usize>,
        path: &str,
        query: &[(&str, &str)],
        anchor: &str,
    ) -> Self {
        let pages = rows.div_ceil(ROWS).max(1);
        let page = wanted.unwrap_or(1).clamp(1, pages);
        let at = |page: usize| {
            let given = query.iter().filter(|(_, value)| !value.is_empty());
            let query =
                Serializer::new(String::new()).extend_pairs(given).append_pair("page", &page.to_string()).finish();
            format!("{path}?{query}{anchor}")
        };
        Self {
            what,
            page,
            pages,
            previous: (page > 1).then(|| at(page - 1)),
            next: (page < pages).then(|| at(page + 1)),
        }
    }

    /// Rows before this page.
    pub const fn skipped(&self) -> usize {
        (self.page - 1) * ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rows: usize, wanted: Option<usize>) -> Paging {
        Paging::new("Pages", rows, wanted, "/", &[("q", "a&b"), ("only", "")], "#x")
    }

    #[test]
    fn a_page_has_its_neighbours_and_the_search_goes_with_them() {
        assert_eq!((at(0, None).pages, at(50, None).pages, at(51, None).pages), (1, 1, 2));
        let middle = at(150, Some(2));
        assert_eq!(middle.previous.as_deref(), Some("/?q=a%26b&page=1#x"));
        assert_eq!(middle.next.as_deref(), Some("/?q=a%26b&page=3#x"));
        assert_eq!(middle.skipped(), 50);
        assert_eq!((at(150, Some(99)).page, at(150, Some(0)).page), (3, 1), "there is always one to show");
        assert_eq!((at(150, Some(3)).next, at(150, Some(1)).previous), (None, None));
    }
}
