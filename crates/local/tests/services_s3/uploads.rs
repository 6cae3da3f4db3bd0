//! Uploads and presigned links: what their senders are held to, and what a broken one leaves.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use crate::harness::{BUCKET, Bench, client, http, large, upload};

#[tokio::test]
async fn a_stream_is_taken_with_the_checksum_that_follows_it() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, large()).unwrap();
    let body = ByteStream::from_path(&file).await.unwrap();
    let put = bench.client.put_object().bucket(BUCKET).key("payloads/streamed").body(body);
    let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    assert_eq!(put.checksum_sha256(), Some(&*BASE64.encode(&Sha256::digest(large()))));
    assert_eq!(bench.get("payloads/streamed").await.unwrap(), large());
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_and_leaves_the_old_object() {
    let bench = Bench::start().await;
    bench.put("payloads/a", b"good").await;
    let wrong = BASE64.encode(&Sha256::digest(b"something else"));
    let put = bench.client.put_object().bucket(BUCKET).key("payloads/a").checksum_sha256(wrong);
    let put = put.body(ByteStream::from_static(b"bad")).send().await;
    assert_eq!(put.unwrap_err().code(), Some("BadDigest"));
    assert_eq!(bench.get("payloads/a").await.unwrap(), b"good");
    assert_eq!(bench.left_overs(), Vec::<String>::new());
}

#[tokio::test]
async fn a_presigned_upload_is_held_to_its_length_and_checksum() {
    let bench = Bench::start().await;
    let body = b"exactly these bytes".as_slice();
    let presigned = bench.presign_put("uploads/1", body).await;
    let other = b"exactly those bytes".as_slice();
    let other_checksum = BASE64.encode(&Sha256::digest(other));
    for (what, sent, replace, status, code) in [
        ("other bytes", other, vec![], 400, "BadDigest"),
        (
            "other bytes with their own checksum",
            other,
            vec![("x-amz-checksum-sha256", &*other_checksum)],
            403,
            "SignatureDoesNotMatch",
        ),
        ("fewer bytes", &body[..5], vec![], 403, "SignatureDoesNotMatch"),
        ("more bytes", &[body, body].concat(), vec![], 403, "SignatureDoesNotMatch"),
    ] {
        let (found, text) = upload(&presigned, sent, &replace).await;
        assert_eq!(found, status, "{what}: {text}");
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{what}: {text}");
        assert_eq!(bench.get("uploads/1").await, Err("NoSuchKey".to_owned()), "{what}");
    }
    let (status, text) = upload(&presigned, body, &[]).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(bench.get("uploads/1").await.unwrap(), body);
    let head = bench.client.head_object().bucket(BUCKET).key("uploads/1");
    let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(head.checksum_sha256(), Some(&*BASE64.encode(&Sha256::digest(body))));
}

#[tokio::test]
async fn the_digest_of_the_signature_is_held_to_as_well() {
    let bench = Bench::start().await;
    let body = b"exactly these bytes".as_slice();
    let digest = HEXLOWER.encode(&Sha256::digest(body));
    let presigned = bench
        .client
        .put_object()
        .bucket(BUCKET)
        .key("uploads/1")
        .content_length(i64::try_from(body.len()).unwrap())
        .customize()
        .mutate_request(move |request| {
            request.headers_mut().insert("x-amz-content-sha256", digest.clone());
        })
        .presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap())
        .await
        .unwrap();
    let is_signed = presigned.uri().contains("x-amz-content-sha256");
    assert!(is_signed, "the digest is among the signed headers: {}", presigned.uri());
    let (status, text) = upload(&presigned, b"exactly those bytes", &[]).await;
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("<Code>XAmzContentSHA256Mismatch</Code>"), "{text}");
    assert_eq!(bench.get("uploads/1").await, Err("NoSuchKey".to_owned()));
    let (status, text) = upload(&presigned, body, &[]).await;
    assert_eq!(status, 200, "{text}");
}

#[tokio::test]
async fn a_presigned_download_works_for_anyone_until_it_is_changed() {
    let bench = Bench::start().await;
    bench.put("payloads/a", b"content").await;
    let config = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let get = bench.client.get_object().bucket(BUCKET).key("payloads/a");
    let presigned = get.presigned(config).await.unwrap();
    let answer = http().get(presigned.uri()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap(), "content");
    let other = presigned.uri().replace("payloads/a", "payloads/b");
    assert_eq!(http().get(other).send().await.unwrap().status(), 403);
    let unsigned = format!("{}/{BUCKET}/payloads/a", bench.server.url());
    assert_eq!(http().get(unsigned).send().await.unwrap().status(), 403);
    let stranger = client(&bench.server.url(), "another secret");
    let refused = stranger.get_object().bucket(BUCKET).key("payloads/a").send().await;
    assert_eq!(refused.unwrap_err().code(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn a_broken_upload_leaves_nothing_and_a_restart_clears_what_a_crash_left() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start_in(folder.path()).await;
    bench.put("payloads/a", b"kept").await;
    bench.server.shutdown().await;
    let interrupted = folder.path().join("s3").join(".tmp.7.internal.part");
    std::fs::write(&interrupted, b"half an obj").unwrap();
    let bench = Bench::start_in(folder.path()).await;
    assert!(!interrupted.exists());
    assert_eq!(bench.get("payloads/a").await.unwrap(), b"kept");

    // A sender that promises more than it sends and goes away.
    let presigned = bench.presign_put("uploads/half", &large()).await;
    let address = bench.server.url().replace("http://", "");
    let path = presigned.uri().replace(&bench.server.url(), "");
    let mut head = format!("PUT {path} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in presigned.headers() {
        head += &format!("{name}: {value}\r\n");
    }
    if !head.to_ascii_lowercase().contains("content-length:") {
        head += "content-length: 5000000\r\n";
    }
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let start = [head.as_bytes(), b"\r\n", &large()[..100_000]].concat();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &start).await.unwrap();
    drop(stream);
    let mut rounds = 0;
    while rounds < 5 || !bench.left_overs().is_empty() {
        rounds += 1;
        assert!(rounds < 200, "the broken upload is not cleared away");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.get("uploads/half").await, Err("NoSuchKey".to_owned()));
}
