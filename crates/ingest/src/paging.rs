//! Lists by the page: `limit` and an opaque `cursor`. A page of an answer is put together from the pages of a store,
//! which have sizes of their own and items that the caller may not see.

use data_encoding::BASE64URL_NOPAD;
use relay_core::body::Sha256;
use relay_core::ports::{Cursor, Page, PortError};
use serde::{Deserialize, Serialize};

use crate::mistakes::Mistakes;
use crate::problem::Problem;

/// Items of a page unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 50;
/// Most items of a page: a key has some kilobytes at most, and Lambda's answer ends at 6 MiB.
pub(crate) const LIMIT_MAX: usize = 100;
/// Pages of the store that go into one answer. Then the answer ends, and its cursor leads on.
const STORE_PAGES_MAX: usize = 32;
/// Pages of the store that are looked through for a caller who may see some of its items alone: a hundred thousand keys.
const PAGES_SEARCHED_MAX: usize = 1000;
/// Shards of a store's list; its cursors are `<shard>/<name>`.
const SHARDS: u8 = 16;
/// Longest name of an item of a list: a sender's id.
const NAME_BYTES_MAX: usize = 64;
/// What is said of a cursor that is none of ours.
const NO_CURSOR: &str = "query parameter cursor must be the nextCursor of an earlier answer";
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
                    None => mistakes.add("", NO_CURSOR),
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
        let place: Self = serde_json::from_slice(json).ok()?;
        // The checksum is no secret: whoever wants to can make a place of their own.
        let is_after = |after: &str| match after.split_once('/') {
            Some((shard, name)) => is_shard(shard) && (name.is_empty() || is_name(name)),
            None => is_name(after),
        };
        let is_good = place.after.as_deref().is_none_or(is_after)
            && place.last.as_deref().is_none_or(is_name);
        is_good.then_some(place)
    }

    /// Whether it may be one of a store that has shards.
    fn is_sharded(&self) -> bool {
        self.after.as_deref().is_none_or(|after| after.contains('/'))
    }

    fn text(&self) -> String {
        // Two texts: this cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        BASE64URL_NOPAD.encode(&[checksum_of(&json).as_bytes(), &json].concat())
    }
}

fn is_shard(text: &str) -> bool {
    (0..SHARDS).any(|shard| shard.to_string() == text)
}

/// Whether it is made as the ids of keys and senders are.
fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn checksum_of(json: &[u8]) -> String {
    Sha256::of(json).to_string().chars().take(CHECKSUM_DIGITS).collect()
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPage {
    /// The cursor is none of ours.
    #[error("{NO_CURSOR}")]
    NotACursor,
    /// The store could not do its part.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<NoPage> for Problem {
    fn from(error: NoPage) -> Self {
        match error {
            NoPage::NotACursor => Mistakes::one("", NO_CURSOR).into(),
            NoPage::Port(error) => error.into(),
        }
    }
}

/// The page that is asked for, of those items that may be seen. `name` is what an item is called in its list. Nothing is
/// left out that was there all the time; what is written meanwhile may be seen twice or not at all.
pub(crate) async fn listed<T, F>(
    paging: Paging,
    list: impl Fn(Option<Cursor>) -> F,
    name: fn(&T) -> &str,
    may_be_seen: impl Fn(&T) -> bool,
) -> Result<Listed<T>, NoPage>
where
    F: Future<Output = Result<Page<T>, PortError>>,
{
    let Paging { limit, mut place } = paging;
    let may_be_foreign = !place.is_sharded();
    let mut items = Vec::new();
    for number in 0..STORE_PAGES_MAX {
        let page = match list(place.after.clone().map(Cursor)).await {
            // A store that does not know a client's cursor fails: the client's mistake, not the store's.
            Err(_) if number == 0 && may_be_foreign => return Err(NoPage::NotACursor),
            page => page?,
        };
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

/// The same for a caller who may see some items alone, and is not to learn the names of others: those are in the cursors
/// of the store. The cursor of the answer names the last item of its own page, and the list is read from its beginning:
/// such callers see few items, in lists of some thousands.
pub(crate) async fn listed_among_others<T, F>(
    paging: Paging,
    list: impl Fn(Option<Cursor>) -> F,
    name: fn(&T) -> &str,
    may_be_seen: impl Fn(&T) -> bool,
) -> Result<Listed<T>, NoPage>
where
    F: Future<Output = Result<Page<T>, PortError>>,
{
    let Paging { limit, place: Place { after: _, mut last } } = paging;
    let mut items: Vec<T> = Vec::new();
    let mut after = None;
    for _ in 0..PAGES_SEARCHED_MAX {
        let page = list(after).await?;
        for item in page.items.into_iter().filter(&may_be_seen) {
            if let Some(wanted) = &last {
                if name(&item) == wanted {
                    last = None;
                }
                continue;
            }
            if items.len() == limit {
                let last = items.last().map(|item| name(item).to_owned());
                let next_cursor = Some(Place { after: None, last }.text());
                return Ok(Listed { items, next_cursor });
            }
            items.push(item);
        }
        after = page.next;
        if after.is_none() {
            // An item that is not there and one that may not be seen are answered alike.
            return match last {
                Some(_) => Err(NoPage::NotACursor),
                None => Ok(Listed { items, next_cursor: None }),
            };
        }
    }
    let reason = format!("it has more than {PAGES_SEARCHED_MAX} pages");
    Err(PortError::Unavailable { action: "looking through a list", reason }.into())
}

#[cfg(test)]
mod tests;
