//! Which permissions an S3 operation needs, which is not always its name.

/// IAM action and resource for each permission that `operation` needs. `copy_source` is the header
/// of that name: `bucket/key`, with or without a slash before it.
pub(super) fn needed(
    operation: &str,
    bucket: &str,
    key: Option<&str>,
    copy_source: Option<&str>,
) -> Vec<(String, String)> {
    let action = match operation {
        "GetObject" | "HeadObject" => "GetObject",
        "PutObject" | "CopyObject" => "PutObject",
        "DeleteObject" | "DeleteObjects" => "DeleteObject",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "ListBuckets" => "ListAllMyBuckets",
        other => other,
    };
    let resource = match (key, operation) {
        (Some(key), _) => object_resource(bucket, key),
        (None, "DeleteObjects") => format!("{bucket}/*"),
        (None, _) => bucket.to_owned(),
    };
    let mut needed = vec![(format!("s3:{action}"), resource)];
    let source = copy_source.map(|source| source.trim_start_matches('/'));
    if let Some((bucket, key)) = source.and_then(|source| source.split_once('/')) {
        needed.push(("s3:GetObject".to_owned(), object_resource(bucket, key)));
    }
    needed
}

/// The bucket and the first part of the key, which is as far as a policy tells keys apart; every
/// key of its own would let the record grow with each message.
pub(super) fn object_resource(bucket: &str, key: &str) -> String {
    // A copy source is written with %2F by some callers.
    let first = key.split('/').next().and_then(|part| part.split("%2F").next()).unwrap_or(key);
    if first.len() == key.len() { format!("{bucket}/{key}") } else { format!("{bucket}/{first}/*") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_noted_by_what_must_be_allowed() {
        for (operation, key, source, expected) in [
            ("HeadObject", Some("payloads/a/b"), None, vec!["s3:GetObject b/payloads/*"]),
            ("HeadBucket", None, None, vec!["s3:ListBucket b"]),
            (
                "CopyObject",
                Some("payloads/a"),
                Some("/b/uploads%2Fx"),
                vec!["s3:PutObject b/payloads/*", "s3:GetObject b/uploads/*"],
            ),
            ("DeleteObject", Some("plain"), None, vec!["s3:DeleteObject b/plain"]),
        ] {
            let found: Vec<String> = needed(operation, "b", key, source)
                .into_iter()
                .map(|(action, resource)| format!("{action} {resource}"))
                .collect();
            assert_eq!(found, expected, "{operation}");
        }
    }
}
