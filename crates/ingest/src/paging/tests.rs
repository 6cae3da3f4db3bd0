//! What the pages of lists hold, and which cursors are refused.
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

/// As a caller reads it who may see everything, or else not learn of the rest.
async fn all(limit: usize, sees_all: bool, may_be_seen: fn(&String) -> bool) -> Vec<String> {
    let mut all = Vec::new();
    let mut query = vec![("limit".to_owned(), limit.to_string())];
    loop {
        let paging = Paging::parse(&query).unwrap();
        let name: fn(&String) -> &str = |item| item.as_str();
        let listed = match sees_all {
            true => listed(paging, store, name, may_be_seen).await.unwrap(),
            false => listed_among_others(paging, store, name, may_be_seen).await.unwrap(),
        };
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
        let even = |item: &String| item.ends_with(['0', '2', '4', '6', '8']);
        for sees_all in [true, false] {
            assert_eq!(all(limit, sees_all, |_| true).await, expected, "{limit}");
            assert_eq!(all(limit, sees_all, even).await.len(), 20, "{limit}");
        }
    }
}

fn at(after: Option<&str>, last: Option<&str>) -> String {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Place { after: owned(after), last: owned(last) }.text()
}

#[test]
fn a_place_that_no_list_has_is_refused_whoever_made_it() {
    let long = "a".repeat(65);
    for good in ["0/", "15/aeaqcaibaeaqcaib", "3/A_b-9", "billing", &long[1..]] {
        assert!(Place::parse(&at(Some(good), Some("a"))).is_some(), "{good}");
    }
    let longer = format!("1/{long}");
    for bad in
        ["", "/", "/a", "16/a", "01/a", "+1/a", "-1/a", "1/a/b", "1/a b", "é", &long, &longer]
    {
        assert_eq!(Place::parse(&at(Some(bad), None)), None, "{bad}");
        assert_eq!(Place::parse(&at(None, Some(bad))), None, "{bad}");
    }
}

#[tokio::test]
async fn a_cursor_that_the_store_does_not_know_is_the_clients_mistake() {
    let failing = |_| async {
        let reason = "no cursor of ours".to_owned();
        Err(PortError::Corrupt { action: "listing", reason })
    };
    for (after, is_mistake) in [(Some("a"), true), (Some("3/a"), false), (None, false)] {
        let query = [("cursor".to_owned(), at(after, None))];
        let paging = Paging::parse(&query).unwrap();
        let answer = listed(paging, failing, |item: &String| item, |_| true).await;
        assert_eq!(answer.err() == Some(NoPage::NotACursor), is_mistake, "{after:?}");
    }
}

#[tokio::test]
async fn the_place_of_one_who_sees_little_names_an_own_item_alone() {
    let is_own = |item: &String| item.ends_with('5');
    let query = [("limit".to_owned(), "1".to_owned())];
    let name: fn(&String) -> &str = |item| item.as_str();
    let page = |query: &[(String, String)]| {
        listed_among_others(Paging::parse(query).unwrap(), store, name, is_own)
    };
    let first = page(&query).await.unwrap();
    let cursor = first.next_cursor.unwrap();
    assert_eq!(cursor, at(None, Some("15")));
    assert_eq!(page(&[("cursor".to_owned(), cursor)]).await.unwrap().items, ["25", "35", "45"]);
    for unseen in ["16", "99"] {
        let query = [("cursor".to_owned(), at(None, Some(unseen)))];
        assert_eq!(page(&query).await.err(), Some(NoPage::NotACursor), "{unseen}");
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
