//! Objects put, found, read, copied, deleted; and who is noted for it.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::MetadataDirective;
use relay_local::services::record::Call;

use crate::harness::{BUCKET, Bench, CALLER, http, large};

#[tokio::test]
async fn an_object_is_put_found_read_copied_and_deleted() {
    let bench = Bench::start().await;
    let body = large();
    bench.put("uploads/a", &body).await;
    let head = bench.client.head_object().bucket(BUCKET).key("uploads/a").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5_000_000));
    assert_eq!(bench.get("uploads/a").await.unwrap(), body);
    let range = bench.client.get_object().bucket(BUCKET).key("uploads/a").range("bytes=10-19");
    let range = range.send().await.unwrap().body.collect().await.unwrap();
    assert_eq!(range.to_vec(), body[10..20]);
    let copy = bench.client.copy_object().bucket(BUCKET).key("payloads/a");
    copy.copy_source(format!("{BUCKET}/uploads/a")).send().await.unwrap();
    for _ in 0..2 {
        let delete = bench.client.delete_object().bucket(BUCKET).key("uploads/a");
        delete.send().await.unwrap();
    }
    assert_eq!(bench.get("uploads/a").await, Err("NoSuchKey".to_owned()));
    assert_eq!(bench.get("payloads/a").await.unwrap(), body);
    assert_eq!(bench.left_overs(), Vec::<String>::new());
    bench.server.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_by_the_service_s_codes() {
    let bench = Bench::start().await;
    bench.put("folder/object", b"x").await;
    assert_eq!(bench.get("absent").await, Err("NoSuchKey".to_owned()));
    assert_eq!(bench.get("folder").await, Err("NoSuchKey".to_owned()));
    let head = bench.client.head_object().bucket(BUCKET).key("absent").send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    let get = bench.client.get_object().bucket("absent-bucket").key("x").send().await;
    assert_eq!(get.unwrap_err().code(), Some("NoSuchBucket"));
    let put = bench.client.put_object().bucket("absent-bucket").key("x").send().await;
    assert_eq!(put.unwrap_err().code(), Some("NoSuchBucket"));
    let copy = bench.client.copy_object().bucket(BUCKET).key("x");
    let copy = copy.copy_source(format!("{BUCKET}/absent")).send().await;
    assert_eq!(copy.unwrap_err().code(), Some("NoSuchKey"));
    bench.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    let head = bench.client.head_bucket().bucket("absent-bucket").send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    let outside = bench.client.put_object().bucket(BUCKET).key("../other/x").send().await;
    assert_eq!(outside.unwrap_err().code(), Some("InvalidArgument"));
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something() {
    let bench = Bench::start().await;
    let put = bench.client.put_object().bucket(BUCKET).key("payloads/a").metadata("k", "old");
    put.body(ByteStream::from_static(b"kept")).send().await.unwrap();
    let copy = || {
        let copy = bench.client.copy_object().bucket(BUCKET).key("payloads/a");
        copy.copy_source(format!("{BUCKET}/payloads/a"))
    };
    assert_eq!(copy().send().await.unwrap_err().code(), Some("InvalidRequest"));
    let replace = copy().metadata_directive(MetadataDirective::Replace).metadata("k", "new");
    replace.send().await.unwrap();
    let head = bench.client.head_object().bucket(BUCKET).key("payloads/a").send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["k"], "new");
    assert_eq!(bench.get("payloads/a").await.unwrap(), b"kept");
}

#[tokio::test]
async fn calls_are_noted_as_what_must_be_allowed() {
    let bench = Bench::start().await;
    bench.put("uploads/a", b"x").await;
    bench.get("uploads/a").await.unwrap();
    let copy = bench.client.copy_object().bucket(BUCKET).key("payloads/1/a");
    copy.copy_source(format!("{BUCKET}/uploads/a")).send().await.unwrap();
    let call = |action: &str, resource: &str| Call {
        caller: CALLER.to_owned(),
        action: action.to_owned(),
        resource: resource.to_owned(),
    };
    let mut expected = vec![
        call("s3:GetObject", "relay-payloads/uploads/*"),
        call("s3:PutObject", "relay-payloads/payloads/*"),
        call("s3:PutObject", "relay-payloads/uploads/*"),
    ];
    assert_eq!(bench.recorder.snapshot(), expected);
    bench.get("payloads/absent").await.unwrap_err();
    // Without permission to list, the answer would have been 403 and not "no such key".
    expected.push(call("s3:ListBucket", "relay-payloads"));
    expected.push(call("s3:GetObject", "relay-payloads/payloads/*"));
    expected.sort();
    assert_eq!(bench.recorder.snapshot(), expected);
    let served = http().get(format!("{}/_recorded", bench.server.url())).send().await.unwrap();
    assert_eq!(served.json::<serde_json::Value>().await.unwrap(), serde_json::json!(expected));
}
