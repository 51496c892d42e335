use serde::Serialize;

use super::query::PageRequest;
use crate::settings::Filling;

/// A page, its keys in the order they were recorded. `nextPageStart` is absent on the last one.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are sent")]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    /// Values on this page, never a total.
    pub size: usize,
    /// The limit that was applied.
    pub limit: usize,
    pub is_last_page: bool,
    pub values: Vec<T>,
    pub start: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_start: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_count: Option<usize>,
}

impl<T> Page<T> {
    pub fn new(request: PageRequest, values: Vec<T>, next_page_start: Option<usize>) -> Self {
        Self {
            size: values.len(),
            limit: request.limit,
            is_last_page: next_page_start.is_none(),
            values,
            start: request.start,
            next_page_start,
            author_count: None,
            total_count: None,
        }
    }

    /// A page of rows of which the caller may see some. `start` and `nextPageStart` count all of them: recorded for
    /// `/projects`, where a page of one was followed by start 2.
    pub fn of_visible<R>(
        rows: &[R],
        request: PageRequest,
        filling: Filling,
        visible: impl Fn(&R) -> bool,
        shape: impl Fn(&R) -> T,
    ) -> Self {
        let from = request.start.min(rows.len());
        let (taken, next) = match filling {
            Filling::Short => {
                let to = from.saturating_add(request.limit).min(rows.len());
                (rows[from..to].iter().filter(|row| visible(row)).collect(), (to < rows.len()).then_some(to))
            }
            Filling::Full => {
                let mut seen = rows.iter().enumerate().skip(from).filter(|(_, row)| visible(row));
                let taken: Vec<_> = seen.by_ref().take(request.limit).collect();
                let after = taken.last().map(|(at, _)| at + 1);
                let next = seen.next().and(after);
                (taken.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), next)
            }
        };
        Self::new(request, taken.into_iter().map(shape).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(start: usize, limit: usize, filling: Filling) -> (Vec<u32>, Option<usize>) {
        let rows = [1, 2, 4, 6, 7, 8];
        let page = Page::of_visible(&rows, PageRequest { start, limit }, filling, |row| row % 2 == 0, |row| *row);
        (page.values, page.next_page_start)
    }

    #[test]
    fn full_pages_skip_hidden_rows() {
        assert_eq!(page(0, 1, Filling::Full), (vec![2], Some(2)));
        assert_eq!(page(2, 2, Filling::Full), (vec![4, 6], Some(4)));
        assert_eq!(page(4, 2, Filling::Full), (vec![8], None));
        assert_eq!(page(9, 2, Filling::Full), (vec![], None));
    }

    #[test]
    fn short_pages_leave_them_out() {
        assert_eq!(page(0, 1, Filling::Short), (vec![], Some(1)));
        assert_eq!(page(3, 2, Filling::Short), (vec![6], Some(5)));
        assert_eq!(page(5, 2, Filling::Short), (vec![8], None));
    }

    #[test]
    fn keys_come_in_the_recorded_order() {
        let request = PageRequest { start: 0, limit: 1 };
        let text = |next| serde_json::to_string(&Page::new(request, vec![1], next)).unwrap();
        assert_eq!(
            text(Some(2)),
            r#"{"size":1,"limit":1,"isLastPage":false,"values":[1],"start":0,"nextPageStart":2}"#
        );
        assert_eq!(text(None), r#"{"size":1,"limit":1,"isLastPage":true,"values":[1],"start":0}"#);
    }
}
