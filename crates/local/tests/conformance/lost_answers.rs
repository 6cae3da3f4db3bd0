//! F36: every write is done, its answer is lost, and the same request comes again, as the SDK's
//! retries do it. Suite and walks must end as if nothing had happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use relay_aws::{DynamoStore, Endpoints};
use relay_local::services::bind;
use relay_testkit::conformance::store;
use relay_testkit::{MemoryStore, walk};

use crate::clients;
use crate::store::{Bench, TABLE};

/// Suite and walks write some hundred times; fewer lost answers would mean that nothing was lost.
const LOST_MIN: usize = 300;
/// Walks and their length, with other seeds than those without losses.
const WALKS: std::ops::Range<u64> = 1000..1004;
const WALK_STEPS: usize = 100;

/// A way to the service at `url` that loses the first answer to every write and asks again.
pub(crate) async fn losing(url: String, lost: Arc<AtomicUsize>) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let pass_on = move |mut headers: HeaderMap, body: Bytes| {
        headers.remove("host");
        let request = http.post(&url).headers(headers.clone()).body(body);
        let lost = Arc::clone(&lost);
        async move {
            let operation = headers["x-amz-target"].to_str().unwrap();
            if !operation.ends_with(".GetItem") {
                let answer = request.try_clone().unwrap().send().await.unwrap();
                drop(answer.bytes().await.unwrap());
                lost.fetch_add(1, Ordering::SeqCst);
            }
            let answer = request.send().await.unwrap();
            let status: StatusCode = answer.status();
            (status, answer.bytes().await.unwrap())
        }
    };
    let listener = bind(0).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(pass_on);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

#[tokio::test]
async fn f36_every_write_recognises_itself_when_its_answer_is_lost() {
    let bench = Bench::start().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let way = losing(bench.server.url(), Arc::clone(&lost)).await;
    let endpoints = Endpoints { dynamodb: Some(way), ..Endpoints::default() };
    let store = DynamoStore::new(&clients(endpoints).await, TABLE);
    store::run_all(Arc::new(store.clone())).await;
    for seed in WALKS {
        walk::compare(&MemoryStore::new(), &store, seed, WALK_STEPS).await;
    }
    let lost = lost.load(Ordering::SeqCst);
    assert!(lost >= LOST_MIN, "only {lost} answers were lost");
    bench.server.shutdown().await;
}
