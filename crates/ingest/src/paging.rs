//! Lists by the page: `limit` and an opaque `cursor`. A page of an answer is put together from the pages of a store,
//! which have sizes of their own and items that the caller may not see.

use data_encoding::BASE64URL_NOPAD;
use relay_core::body::Sha256;
use relay_core::ports::{Cursor, Page, PortError};
use serde::{Deserialize, Serialize};

use crate::mistakes::Mistakes;

/// Items of a page unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 50;
/// Most items of a page: a key has some kilobytes at most, and Lambda's answer ends at 6 MiB.
pub(crate) const LIMIT_MAX: usize = 100;
/// Pages of the store that go into one answer. Then the answer ends, and its cursor leads on.
const STORE_PAGES_MAX: usize = 32;
/// Digits of the checksum, by which a cursor that was cut or changed by accident is told from one of ours.
const CHECKSUM_DIGITS: usize = 8;

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    limit: usize,
    place: Place,
}

/// Where a page begins: behind item `last` of the store's page at `after`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Place {
    after: Option<String>,
    last: Option<String>,
}

/// A page of an answer.
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    /// What `cursor` of the next request is to be; nothing after the last page.
    pub(crate) next_cursor: Option<String>,
}

impl Paging {
    /// Reads the query of a request.
    pub(crate) fn parse(query: &[(String, String)]) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let mut paging = Self { limit: LIMIT_DEFAULT, place: Place::default() };
        for (name, value) in query {
            match name.as_str() {
                "limit" => match value.parse() {
                    Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => paging.limit = limit,
                    Ok(_) | Err(_) => {
                        let detail =
                            format!("query parameter limit must be a number from 1 to {LIMIT_MAX}");
                        mistakes.add("", detail);
                    }
                },
                "cursor" => match Place::parse(value) {
                    Some(place) => paging.place = place,
                    None => mistakes.add(
                        "",
                        "query parameter cursor must be the nextCursor of an earlier answer",
                    ),
                },
                _ => mistakes.add("", "there are no query parameters but limit and cursor"),
            }
        }
        mistakes.or(Some(paging))
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (checksum, json) = bytes.split_at_checked(CHECKSUM_DIGITS)?;
        if checksum_of(json).as_bytes() != checksum {
            return None;
        }
        serde_json::from_slice(json).ok()
    }

    fn text(&self) -> String {
        // Two texts: this cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        BASE64URL_NOPAD.encode(&[checksum_of(&json).as_bytes(), &json].concat())
    }
}

fn checksum_of(json: &[u8]) -> String {
    Sha256::of(json).to_string().chars().take(CHECKSUM_DIGITS).collect()
}

/// The page that is asked for, of those items that may be seen. `name` is what an item is called in its list. Nothing is
/// left out that was there all the time; what is written meanwhile may be seen twice or not at all.
pub(crate) async fn listed<T, F>(
    paging: Paging,
    list: impl Fn(Option<Cursor>) -> F,
    name: fn(&T) -> &str,
    may_be_seen: impl Fn(&T) -> bool,
) -> Result<Listed<T>, PortError>
where
    F: Future<Output = Result<Page<T>, PortError>>,
{
    let Paging { limit, mut place } = paging;
    let mut items = Vec::new();
    for _ in 0..STORE_PAGES_MAX {
        let page = list(place.after.clone().map(Cursor)).await?;
        let last = place.last.take();
        let behind = last.and_then(|last| page.items.iter().position(|item| name(item) == last));
        let rest = page.items.into_iter().skip(behind.map_or(0, |index| index + 1));
        for item in rest.filter(&may_be_seen) {
            if items.len() == limit {
                return Ok(Listed { items, next_cursor: Some(place.text()) });
            }
            place.last = Some(name(&item).to_owned());
            items.push(item);
        }
        match page.next {
            None => return Ok(Listed { items, next_cursor: None }),
            Some(Cursor(after)) => place = Place { after: Some(after), last: None },
        }
        if items.len() == limit {
            break;
        }
    }
    Ok(Listed { items, next_cursor: Some(place.text()) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// A store of the numbers 10 to 49 in pages of seven, every third of them empty.
    async fn store(after: Option<Cursor>) -> Result<Page<String>, PortError> {
        let page: usize = after.map_or(0, |Cursor(page)| page.parse().unwrap());
        let full = page - page / 3;
        let numbers = (10..50).skip(full * 7).take(7).map(|number: usize| number.to_string());
        let items = if page % 3 == 2 { Vec::new() } else { numbers.collect() };
        Ok(Page { items, next: (page < 9).then(|| Cursor((page + 1).to_string())) })
    }

    async fn all(limit: usize, may_be_seen: fn(&String) -> bool) -> Vec<String> {
        let mut all = Vec::new();
        let mut query = vec![("limit".to_owned(), limit.to_string())];
        loop {
            let paging = Paging::parse(&query).unwrap();
            let listed = listed(paging, store, |item| item.as_str(), may_be_seen).await.unwrap();
            assert!(listed.items.len() <= limit);
            all.extend(listed.items);
            let Some(cursor) = listed.next_cursor else { return all };
            query.truncate(1);
            query.push(("cursor".to_owned(), cursor));
        }
    }

    #[tokio::test]
    async fn pages_of_every_size_have_every_item_once() {
        let expected: Vec<String> = (10..50).map(|number| number.to_string()).collect();
        for limit in [1, 2, 6, 7, 8, 13, 40, 100] {
            assert_eq!(all(limit, |_| true).await, expected, "{limit}");
            let even = |item: &String| item.ends_with(['0', '2', '4', '6', '8']);
            assert_eq!(all(limit, even).await.len(), 20, "{limit}");
        }
    }

    #[test]
    fn what_is_no_query_of_a_list_is_refused() {
        let place = Place { after: Some("3/a".to_owned()), last: None };
        let good = place.text();
        assert_eq!(Place::parse(&good), Some(place));
        let cut = good[1..].to_owned();
        for (name, value) in [
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "-1"),
            ("limit", ""),
            ("cursor", ""),
            ("cursor", "3/a"),
            ("cursor", cut.as_str()),
            ("page", "1"),
        ] {
            let query = [(name.to_owned(), value.to_owned())];
            assert!(Paging::parse(&query).is_err(), "{name}={value}");
        }
    }
}
