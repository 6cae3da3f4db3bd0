//! Buckets on the local table service: the suite, what a take costs, and what only a table can do.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use relay_aws::{DynamoBuckets, Endpoints};
use relay_core::access::{Allowance, RateLimit, Spend};
use relay_core::ports::Buckets;
use relay_core::time::Timestamp;
use relay_local::services::bind;
use relay_testkit::conformance::buckets;
use relay_testkit::sample::{START, at};

use crate::lost_answers::losing;
use crate::store::{Bench, TABLE};
use crate::{actions, clients};

const LIMIT: RateLimit = RateLimit { per_second: 10, burst: 100 };

async fn buckets_at(url: String) -> DynamoBuckets {
    let endpoints = Endpoints { dynamodb: Some(url), ..Endpoints::default() };
    DynamoBuckets::new(&clients(endpoints).await, TABLE)
}

/// A way to the service at `url` that counts the calls.
async fn counting(url: String, counted: Arc<AtomicUsize>) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let pass_on = move |mut headers: HeaderMap, body: Bytes| {
        headers.remove("host");
        counted.fetch_add(1, Ordering::SeqCst);
        let request = http.post(&url).headers(headers).body(body);
        async move {
            let answer = request.send().await.unwrap();
            (answer.status(), answer.bytes().await.unwrap())
        }
    };
    let listener = bind(0).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(pass_on);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

async fn granted(buckets: &DynamoBuckets, wanted: u32, now: Timestamp) -> u32 {
    buckets.take("a", LIMIT, wanted, now).await.unwrap().granted
}

#[tokio::test]
async fn the_buckets_keep_the_contract_and_stay_within_their_role() {
    let bench = Bench::start().await;
    buckets::run_all(Arc::new(buckets_at(bench.server.url()).await)).await;
    assert_eq!(actions(&bench.recorder), ["dynamodb:UpdateItem"]);
    bench.server.shutdown().await;
}

/// Takes each so many of a bucket at so many milliseconds, and asserts what is granted and how many calls that costs.
async fn take_all(
    buckets: &DynamoBuckets,
    counted: &AtomicUsize,
    takes: &[(u64, u32, u32, usize, &str)],
) {
    for (millis, wanted, expected, cost, what) in takes {
        let before = counted.load(Ordering::SeqCst);
        assert_eq!(granted(buckets, *wanted, at(*millis)).await, *expected, "{what}");
        assert_eq!(counted.load(Ordering::SeqCst) - before, *cost, "{what}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_as_expected_costs_one_call() {
    let bench = Bench::start().await;
    let counted = Arc::new(AtomicUsize::new(0));
    let buckets = buckets_at(counting(bench.server.url(), Arc::clone(&counted)).await).await;
    let takes = [
        (0, 10, 10, 1, "the first of all"),
        (0, 10, 10, 1, "not full"),
        (0, 80, 80, 1, "the last of all"),
        (0, 10, 0, 1, "an empty one"),
        (500, 50, 5, 2, "some came back, but fewer than are wanted"),
        (500, 50, 0, 1, "none"),
        (10_500, 10, 10, 1, "full again"),
        (11_500, 10, 10, 1, "full again, to the millisecond"),
        (11_600, 10, 10, 1, "not quite"),
        (90_000, 100, 100, 1, "full again after long, and emptied"),
        (99_999, 1, 1, 1, "not full for the last millisecond"),
    ];
    take_all(&buckets, &counted, &takes).await;
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_bucket_that_others_take_from_too_costs_two_calls_when_that_begins_and_ends() {
    let bench = Bench::start().await;
    let counted = Arc::new(AtomicUsize::new(0));
    let buckets = buckets_at(counting(bench.server.url(), Arc::clone(&counted)).await).await;
    let other = buckets_at(bench.server.url()).await;
    take_all(&buckets, &counted, &[(0, 10, 10, 1, "alone")]).await;
    for (millis, cost, what) in
        [(2000, 2, "no longer alone"), (10_000, 1, "nor later"), (20_000, 1, "still not")]
    {
        assert_eq!(granted(&other, 40, at(millis)).await, 40);
        take_all(&buckets, &counted, &[(millis, 10, 10, cost, what)]).await;
    }
    for (millis, cost, what) in [(30_000, 2, "alone again"), (60_000, 1, "alone")] {
        take_all(&buckets, &counted, &[(millis, 10, 10, cost, what)]).await;
    }
    // Empty, by what others took.
    assert_eq!(granted(&other, 100, at(90_000)).await, 100);
    take_all(&buckets, &counted, &[(90_000, 10, 0, 1, "others took all")]).await;
    bench.server.shutdown().await;
}

/// How many calls a minute of requests costs that come evenly to environments, in turn, and how many requests pass.
async fn minute(limit: RateLimit, environments: usize, per_second: u64) -> (usize, u64) {
    let bench = Bench::start().await;
    let counted = Arc::new(AtomicUsize::new(0));
    let way = counting(bench.server.url(), Arc::clone(&counted)).await;
    let mut all = Vec::new();
    for _ in 0..environments {
        all.push((buckets_at(way.clone()).await, Allowance::default()));
    }
    let mut passed = 0;
    for number in 0..per_second * 60 {
        let (buckets, allowance) = &mut all[usize::try_from(number).unwrap() % environments];
        let now = at(number * 1000 / per_second);
        let mut spent = allowance.spend(limit, now);
        if let Spend::Take { enough, wanted } = spent {
            let taken = buckets.take_enough("a", limit, enough, wanted, now).await.unwrap();
            allowance.taken(&taken, enough, now);
            spent = allowance.spend(limit, now);
        }
        passed += u64::from(matches!(spent, Spend::Passed(_)));
    }
    bench.server.shutdown().await;
    (counted.load(Ordering::SeqCst), passed)
}

/// The numbers that decision 0012 states for limits of 1,000 a second.
#[tokio::test]
async fn a_minute_of_requests_costs_what_is_documented() {
    for (burst, environments, per_second, calls, passed) in [
        (2000, 1, 50, 28, 3000),
        (2000, 1, 100, 28, 6000),
        (2000, 1, 1000, 244, 60_000),
        (2000, 10, 50, 200, 3000),
        (2000, 10, 100, 219, 6000),
        (2000, 10, 1000, 306, 59_959),
        (200, 1, 50, 121, 3000),
        (200, 1, 100, 241, 6000),
        (200, 1, 1000, 2401, 60_000),
        (8000, 1, 1000, 66, 60_000),
    ] {
        let limit = RateLimit { per_second: 1000, burst };
        let counted = minute(limit, environments, per_second).await;
        let what = format!("burst {burst}, {environments} at {per_second}/s");
        assert_eq!(counted, (calls, passed), "{what}");
    }
}

#[tokio::test]
async fn f36_what_a_lost_answer_took_is_lost_and_never_given_twice() {
    let bench = Bench::start().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let buckets = buckets_at(losing(bench.server.url(), Arc::clone(&lost)).await).await;
    let mut sum = 0;
    for _ in 0..LIMIT.burst {
        sum += granted(&buckets, 5, START).await;
    }
    assert!((1..=LIMIT.burst).contains(&sum), "{sum}");
    assert!(lost.load(Ordering::SeqCst) > 0);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn f27_a_bucket_is_removed_a_day_after_it_is_full() {
    let bench = Bench::start().await;
    let buckets = buckets_at(bench.server.url()).await;
    // Far in the past, so that the service's own clock removes it.
    let past = Timestamp::from_millis(1_600_000_000_000);
    assert_eq!(granted(&buckets, 20, past).await, 20);
    let expires_at = || async {
        let items = bench.raw().scan().table_name(TABLE).send().await.unwrap().items.unwrap();
        items[0]["expires_at"].as_n().unwrap().parse::<u64>().unwrap()
    };
    let full_after = 2;
    assert_eq!(expires_at().await, 1_600_000_000 + full_after + 24 * 60 * 60);
    // An addition does not know when the bucket is full, only when it is at the latest.
    assert_eq!(granted(&buckets, 20, past).await, 20);
    assert_eq!(expires_at().await, 1_600_000_000 + 10 + 24 * 60 * 60);
    assert_eq!(bench.server.sweep_expired().unwrap(), 1);
    assert_eq!(granted(&buckets, 100, past).await, 100);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_number_that_cannot_be_read_is_a_full_bucket_and_is_replaced() {
    let bench = Bench::start().await;
    let buckets = buckets_at(bench.server.url()).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |digits: &str| AttributeValue::N(digits.to_owned());
    for odd in [Some(text("soon")), Some(number("-1")), Some(number("1e30")), None] {
        let key = [("pk", text("BUCKET#a")), ("sk", text("BUCKET"))];
        let item: HashMap<_, _> = key
            .into_iter()
            .chain(odd.clone().map(|odd| ("full_at", odd)))
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        bench.raw().put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
        assert_eq!(granted(&buckets, 60, START).await, 60, "{odd:?}");
        assert_eq!(granted(&buckets, 60, START).await, 40, "{odd:?}");
    }
    bench.server.shutdown().await;
}
