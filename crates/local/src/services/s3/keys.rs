//! Keys as file names: which can be kept, and where s3s-fs puts the notes beside an object.

use data_encoding::BASE64URL_NOPAD;
use s3s::S3Result;

/// Longest file name of the usual file systems, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;

/// The files in which s3s-fs keeps an object's attributes and checksums, beside the buckets.
pub(super) fn note_files(bucket: &str, key: &str) -> [String; 2] {
    let bucket = BASE64URL_NOPAD.encode(bucket.as_bytes());
    let key = BASE64URL_NOPAD.encode(key.as_bytes());
    ["metadata", "internal"].map(|kind| format!(".bucket-{bucket}.object-{key}.{kind}.json"))
}

/// Refuses a key that cannot be kept as a file: S3 would take it, but here it would land in another
/// folder, or its notes would find no place.
pub(super) fn check(bucket: &str, key: &str) -> S3Result<()> {
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(s3s::s3_error!(
            InvalidArgument,
            "the local store keeps keys as file paths: no part of a key may be empty or dots"
        ));
    }
    let names = key.split('/').map(str::len);
    let longest = names.chain(note_files(bucket, key).iter().map(String::len)).max();
    if longest.unwrap_or_default() > FILE_NAME_BYTES_MAX {
        return Err(s3s::s3_error!(
            KeyTooLongError,
            "the local store keeps keys as file names, and this one is too long for that"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_keys_of_the_relay_fit_and_odd_ones_are_refused() {
        let payload = format!("payloads/msg_{}/{}", "a".repeat(32), "f".repeat(64));
        assert!(check("relay-local-payloads-000000000000", &payload).is_ok());
        for odd in ["", "a//b", "/a", "a/", "../other/a", "a/./b", &"x".repeat(200)] {
            assert!(check("bucket", odd).is_err(), "{odd}");
        }
    }
}
